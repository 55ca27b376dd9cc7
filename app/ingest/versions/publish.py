"""Publish the notices of commits to subscribers through Redis (an outbox).

A notice is marked once Redis has accepted it, so a crash in between, or an outage of Redis, leaves it for the next
drain or the sweep. Published notices stay for a day, because event streams resume from them.

Reads and writes: ingest.notices.
"""

from collections.abc import Sequence
from uuid import UUID

import asyncpg
import msgspec
from redis.asyncio import Redis
from redis.exceptions import RedisError

from app.db import rows
from app.readmodels import documents

BATCH = 1_000


class ChangeNotice(msgspec.Struct, frozen=True):
    """A change of one read model of one account, at this account version."""

    id: int
    account_id: UUID
    slice: str
    item_id: str
    version: int


async def publish(pool: asyncpg.Pool, redis: Redis) -> list[ChangeNotice]:
    """Publish every pending notice; return those published.

    Several workers may run it at once; publishing a notice twice is harmless.
    """
    published: list[ChangeNotice] = []
    while notices := await _oldest(pool):
        if not await _send(redis, notices):
            break
        await pool.execute(
            "UPDATE ingest.notices SET told_at = clock_timestamp() WHERE id = ANY($1::bigint[])",
            [n.id for n in notices],
        )
        published += notices
        if len(notices) < BATCH:
            break
    return published


async def pending(pool: asyncpg.Pool, after: int) -> list[ChangeNotice]:
    """Return the newest pending notices with an id above `after`."""
    return await rows(
        pool,
        ChangeNotice,
        "SELECT id, account_id, slice, item_id, version FROM ingest.notices WHERE told_at IS NULL AND id > $1 "
        "ORDER BY id DESC LIMIT $2",
        after,
        BATCH * 10,
    )


async def _oldest(pool: asyncpg.Pool) -> list[ChangeNotice]:
    return await rows(
        pool,
        ChangeNotice,
        "SELECT id, account_id, slice, item_id, version FROM ingest.notices WHERE told_at IS NULL ORDER BY id LIMIT $1",
        BATCH,
    )


async def _send(redis: Redis, notices: Sequence[ChangeNotice]) -> bool:
    try:
        async with redis.pipeline(transaction=False) as pipe:
            for notice in notices:
                event = {"slice": notice.slice, "id": notice.item_id, "version": notice.version}
                pipe.publish(documents.event_channel(notice.account_id), msgspec.json.encode(event))
            await pipe.execute()
    except (RedisError, OSError):
        return False
    return True
