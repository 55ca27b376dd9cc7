"""Documents in Redis: never older than they were, and never needed."""

from datetime import UTC, datetime
from uuid import UUID

import asyncpg
import msgspec
from redis.asyncio import Redis

from app.readmodels import documents
from app.readmodels.documents import Stored

ACCOUNT = UUID(int=42)
FIRST_EPOCH = 1 << 32
"""What the first serving generation adds to the versions of its documents."""


def stored(version: int, body: bytes) -> Stored:
    return Stored(ACCOUNT, "profile", version, f'"{version}"', body, datetime(2026, 1, 1, tzinfo=UTC))


def served(version: int, body: bytes) -> Stored:
    return msgspec.structs.replace(stored(version, body), version=FIRST_EPOCH + version)


async def keep(pool: asyncpg.Pool, document: Stored) -> None:
    await pool.execute(
        "INSERT INTO read_model.documents (account_id, name, version, etag, body, as_of, slice, generation) "
        "VALUES ($1, $2, $3, $4, $5, $6, 'catalog', 1)",
        *(getattr(document, name) for name in ("account_id", "name", "version", "etag", "body", "as_of")),
    )


async def test_a_late_writer_cannot_bring_an_older_version_back(pool: asyncpg.Pool, redis: Redis) -> None:
    await documents.put(redis, [stored(2, b'"new"')])
    await documents.put(redis, [stored(1, b'"old"')])
    found = await documents.read(pool, redis, ACCOUNT, "profile")
    assert found == stored(2, b'"new"')


async def test_a_flushed_redis_is_filled_again_from_postgres(pool: asyncpg.Pool, redis: Redis) -> None:
    await keep(pool, stored(3, b'"kept"'))
    assert await documents.read(pool, redis, ACCOUNT, "profile") == served(3, b'"kept"')
    assert await redis.hget(documents.key(ACCOUNT, "profile"), "body") == b'"kept"'  # type: ignore[misc]


async def test_without_redis_postgres_answers(pool: asyncpg.Pool) -> None:
    await keep(pool, stored(3, b'"kept"'))
    nowhere = Redis.from_url("redis://127.0.0.1:1", socket_connect_timeout=0.2)
    assert await documents.read(pool, nowhere, ACCOUNT, "profile") == served(3, b'"kept"')
    assert not await documents.put(nowhere, [stored(4, b'"x"')])
    await nowhere.aclose()


async def test_an_unknown_document_is_nothing(pool: asyncpg.Pool, redis: Redis) -> None:
    assert await documents.read(pool, redis, ACCOUNT, "profile") is None
