"""After the commit: tell subscribers through Redis, from the notices the commit left.

A notice is marked once Redis has been told, so a crash in between, or Redis being away, leaves it for the next drain or
the sweep. Told notices stay for a while: event streams resume from them.

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
    """One slice of one account changed at this account version."""

    id: int
    account_id: UUID
    slice: str
    item_id: str
    version: int


async def publish(pool: asyncpg.Pool, redis: Redis) -> list[ChangeNotice]:
    """Tell everything that was not told yet; returns the notices that were told.

    Several workers may run it at once: they may tell a thing twice, which is harmless.
    """
    told: list[ChangeNotice] = []
    while notices := await _waiting(pool):
        if not await _tell(redis, notices):
            break
        await pool.execute(
            "UPDATE ingest.notices SET told_at = clock_timestamp() WHERE id = ANY($1::bigint[])",
            [n.id for n in notices],
        )
        told += notices
        if len(notices) < BATCH:
            break
    return told


async def untold(pool: asyncpg.Pool, after: int) -> list[ChangeNotice]:
    """What Redis was not told, of the notices with a higher number, the newest."""
    return await rows(
        pool,
        ChangeNotice,
        "SELECT id, account_id, slice, item_id, version FROM ingest.notices WHERE told_at IS NULL AND id > $1 "
        "ORDER BY id DESC LIMIT $2",
        after,
        BATCH * 10,
    )


async def _waiting(pool: asyncpg.Pool) -> list[ChangeNotice]:
    return await rows(
        pool,
        ChangeNotice,
        "SELECT id, account_id, slice, item_id, version FROM ingest.notices WHERE told_at IS NULL ORDER BY id LIMIT $1",
        BATCH,
    )


async def _tell(redis: Redis, notices: Sequence[ChangeNotice]) -> bool:
    try:
        async with redis.pipeline(transaction=False) as pipe:
            for notice in notices:
                event = {"slice": notice.slice, "id": notice.item_id, "version": notice.version}
                pipe.publish(documents.event_channel(notice.account_id), msgspec.json.encode(event))
            await pipe.execute()
    except (RedisError, OSError):
        return False
    return True
