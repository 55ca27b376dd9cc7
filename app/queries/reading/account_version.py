"""The account version that an answer shows: neither older nor newer than its content.

Reads: read_model.account_versions.
"""

from collections.abc import Awaitable, Callable
from typing import TypeVar
from uuid import UUID

import asyncpg

ATTEMPTS = 3
"""Times that an answer is rendered because the account changed meanwhile. After that its version may be one that its
content has overtaken: then a client reads once more, and misses nothing."""

T = TypeVar("T")


async def current(pool: asyncpg.Pool, account_id: UUID) -> int:
    """Return the account's version; 0 for one that was never projected."""
    found = await pool.fetchval("SELECT version FROM read_model.account_versions WHERE account_id = $1", account_id)
    return int(found or 0)


async def exactly(pool: asyncpg.Pool, account_id: UUID, read: Callable[[], Awaitable[T]]) -> tuple[T, int]:
    """Read, and return with the answer the version that it shows. Raises what `read` raises.

    The version is the same before and after the read, so that no commit fell into it.
    """
    before = await current(pool, account_id)
    for _ in range(ATTEMPTS - 1):
        found = await read()
        after = await current(pool, account_id)
        if after == before:
            return found, before
        before = after
    return await read(), before
