"""What could not be read of upstream records, written down from each process's counter so that operators see it.

Writes: ingest.unreadables.
"""

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg
import structlog

from app import tasks
from app.intake import unreadable

EVERY_SECONDS = 10.0
QUERY_SECONDS = 5

_ADD = """
INSERT INTO ingest.unreadables AS known (source, object, field, count, record_id)
SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::bigint[], $5::text[])
ON CONFLICT (source, object, field) DO UPDATE
SET count = known.count + excluded.count, record_id = excluded.record_id, last_at = now()
"""

log = structlog.get_logger()


async def write_down(pool: asyncpg.Pool) -> int:
    """Add what this process counted since the last time; returns how many kinds. On failure nothing is lost."""
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
async def written_down(pool: asyncpg.Pool) -> AsyncIterator[None]:
    """Every ten seconds, and once more at the end. Every process counts for itself, so every one does this."""
    task = asyncio.create_task(_write_down_for_ever(pool))
    try:
        yield
    finally:
        await tasks.end(task)
        with contextlib.suppress(Exception):  # a process that ends has nobody to tell
            async with asyncio.timeout(QUERY_SECONDS):
                await write_down(pool)


async def _write_down_for_ever(pool: asyncpg.Pool) -> None:
    while True:
        try:
            await asyncio.sleep(EVERY_SECONDS * random.uniform(0.8, 1.2))
            await write_down(pool)
        except Exception as error:
            log.warning("unreadables_not_written_down", error=repr(error))
