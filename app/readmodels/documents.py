"""Ready documents: written by projections, copied to Redis, read by queries. The only place that spells a Redis key.

Postgres is the truth. A copy is replaced only by a newer version, so a late writer cannot bring back an older answer;
a miss, a flush or an outage of Redis costs a Postgres read and nothing else.
"""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import asyncpg
import structlog
from msgspec import Struct
from redis.asyncio import Redis
from redis.exceptions import RedisError

COPIES = "documents"
"""In place of a slice in a notice: nothing changed but how old documents are, which their copies must learn."""

log = structlog.get_logger()

_PUT = """
local held = tonumber(redis.call('HGET', KEYS[1], 'version') or '-1')
if held > tonumber(ARGV[1]) then return 0 end
redis.call('HSET', KEYS[1], 'version', ARGV[1], 'etag', ARGV[2], 'body', ARGV[3], 'as_of', ARGV[4])
return 1
"""
_SELECT = """
SELECT d.account_id, d.name, (g.epoch::bigint << 32) + d.version AS version, d.etag, d.body, d.as_of
FROM read_model.documents d JOIN read_model.generations g USING (slice, generation)
WHERE g.state = 'serving' AND d.account_id = ANY($1::uuid[])
"""


class Stored(Struct, frozen=True):
    """A document as it is kept.

    Attributes:
        version: grows with every change of the account and, above that, with every change of the serving generation.
        body: empty when the document is gone.
    """

    account_id: UUID
    name: str
    version: int
    etag: str
    body: bytes
    as_of: datetime


def key(account_id: UUID, name: str) -> str:
    """Keys carry the account as a hash tag, so that they spread over a Redis Cluster and stay together."""
    return f"portal:{{{account_id}}}:document:{name}"


def event_channel(account_id: UUID) -> str:
    """Where subscribers of an account hear what changed."""
    return f"portal:{{{account_id}}}:events"


async def read(pool: asyncpg.Pool, redis: Redis, account_id: UUID, name: str) -> Stored | None:
    """The document, from Redis when it is there, from Postgres otherwise."""
    try:
        fields = ["version", "etag", "body", "as_of"]
        version, etag, body, as_of = await redis.hmget(key(account_id, name), fields)  # type: ignore[misc]
        if body is not None:
            held = Stored(account_id, name, int(version), etag.decode(), body, datetime.fromisoformat(as_of.decode()))
            return held if body else None
    except RedisError as error:
        log.warning("redis_unavailable_reading_postgres", error=repr(error))
    row = await pool.fetchrow(_SELECT + "AND d.name = $2", [account_id], name)
    if row is None:
        return None
    stored = Stored(**dict(row))
    await put(redis, [stored])
    return stored if stored.body else None


async def load(pool: asyncpg.Pool, accounts: Sequence[UUID]) -> list[Stored]:
    """Every document of these accounts, from Postgres."""
    rows = await pool.fetch(_SELECT, list(accounts))
    return [Stored(**dict(row)) for row in rows]


async def put(redis: Redis, documents: Sequence[Stored]) -> bool:
    """Copy documents to Redis unless it holds newer ones; False when Redis could not be reached."""
    try:
        for document in documents:
            values = (str(document.version), document.etag, document.body, document.as_of.isoformat())
            await redis.eval(_PUT, 1, key(document.account_id, document.name), *values)  # type: ignore[misc]
    except RedisError as error:
        log.warning("redis_unavailable_copy_postponed", error=repr(error))
        return False
    return True
