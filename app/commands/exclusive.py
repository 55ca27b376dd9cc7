"""One at a time: an advisory lock in Postgres, held by a connection of its own and given up with it.

Not a connection of the pool: whoever waits upstream under a lock needs the pool as well, and enough of them at once
would wait for each other for ever.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg

from app.settings import Settings

_HOLDERS = asyncio.Semaphore(16)
"""Lock connections of one process, so that a rush does not use up the server's."""


@asynccontextmanager
async def exclusively(settings: Settings, key: str) -> AsyncIterator[bool]:
    """Hold the lock of a key; yields False at once when somebody else does."""
    async with _HOLDERS:
        connection = await asyncpg.connect(settings.database_url, timeout=10, command_timeout=10)
        try:
            yield await connection.fetchval("SELECT pg_try_advisory_lock(hashtextextended($1, 0))", key)
        finally:
            await connection.close(timeout=2)
