"""Counts of unreadable upstream fields, saved from each process's counter so that operators see them.

Writes: ingest.unreadables.
"""

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg
import structlog

from app.intake import unreadable
from app.tasks import Background

EVERY_SECONDS = 10.0
QUERY_SECONDS = 5

_ADD = """
INSERT INTO ingest.unreadables AS known (source, object, field, count, record_id)
SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::bigint[], $5::text[])
ON CONFLICT (source, object, field) DO UPDATE
SET count = known.count + excluded.count, record_id = excluded.record_id, last_at = now()
"""

log = structlog.get_logger()


async def save(pool: asyncpg.Pool) -> int:
    """Save what this process counted since the last call; return the number of fields. A failure loses nothing."""
    counted = unreadable.taken()
    if not counted:
        return 0
    columns = zip(
        *((each.source, each.object, each.field, each.count, each.record_id) for each in counted), strict=True
    )
    try:
        async with pool.acquire(timeout=QUERY_SECONDS) as connection:
            await connection.execute(_ADD, *map(list, columns), timeout=QUERY_SECONDS)
    except BaseException:
        unreadable.put_back(counted)
        raise
    return len(counted)


@asynccontextmanager
async def saved_periodically(pool: asyncpg.Pool) -> AsyncIterator[None]:
    """Save every ten seconds, and once more at the end. Each process counts for itself, so each one does this."""
    background = Background("unreadables")
    background.start(_save_forever(pool))
    try:
        yield
    finally:
        await background.close()
        with contextlib.suppress(Exception):  # the process ends, and the counts are for information only
            async with asyncio.timeout(QUERY_SECONDS):
                await save(pool)


async def _save_forever(pool: asyncpg.Pool) -> None:
    while True:
        try:
            await asyncio.sleep(EVERY_SECONDS * random.uniform(0.8, 1.2))
            await save(pool)
        except Exception as error:
            log.warning("unreadables_not_saved", error=repr(error))
