"""One at a time: an advisory lock in Postgres, held by a connection of its own and given up with it.

Not a connection of the pool: whoever waits upstream under a lock needs the pool as well, and enough of them at once
would wait for each other for ever. The holder proves that it lives, so that one that is frozen gives its turn up.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg

from app import leases
from app.db import connect
from app.leases import Held
from app.settings import Settings

HOLDER_SECONDS = 20.0
_HOLDERS = asyncio.Semaphore(16)
"""Lock connections of one process, so that a rush does not use up the server's."""


class Turn:
    """Whether the lock is ours: true or false, as it was when it was tried."""

    def __init__(self, held: Held | None) -> None:
        self._held = held

    def __bool__(self) -> bool:
        return self._held is not None

    async def prove(self) -> None:
        """Make sure that it still is, before something is written that nobody else may have written meanwhile.

        Raises:
            Lost: we were frozen for too long, and somebody else may have taken our place.
        """
        if self._held is not None:
            await self._held.prove()


@asynccontextmanager
async def exclusively(settings: Settings, key: str) -> AsyncIterator[Turn]:
    """Hold the lock of a key; yields a false turn at once when somebody else does.

    Raises:
        TimeoutError: too many locks are held by this process.
    """
    async with asyncio.timeout(HOLDER_SECONDS):
        await _HOLDERS.acquire()
    try:
        async with _connected(settings) as connection:
            if not await connection.fetchval("SELECT pg_try_advisory_lock(hashtextextended($1, 0))", key):
                yield Turn(None)
                return
            held = Held(connection)
            try:
                yield Turn(held)
            finally:
                await held.stop()
    finally:
        _HOLDERS.release()


@asynccontextmanager
async def _connected(settings: Settings) -> AsyncIterator[asyncpg.Connection]:
    connection = await connect(settings.database_url, leases.HOLDER, **leases.bounds())
    try:
        yield connection
    finally:
        try:
            await connection.close(timeout=2)
        except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError):  # it is dead, and the lock with it
            connection.terminate()
