"""How much the inbox takes from webhooks at once. A burst is bounded here and by the senders' retries, not by memory.

Refused before a body is read: when too many requests are inside already, or when more waits to be read again upstream
than can be done soon. Only a few inserts run at once, so that webhooks never take every database connection.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg

from app.errors import Overloaded

MOST_AT_ONCE = 64
"""Requests whose bodies may be in memory, each at most 256 KiB."""
MOST_INSERTS = 4
BODY_SECONDS = 10
INSERT_SECONDS = 5
LOOK_EVERY_SECONDS = 1.0

_FULL = (
    "SELECT EXISTS (SELECT FROM ingest.inbox WHERE lane = 'fetch' AND settled_at IS NULL OFFSET $1 LIMIT 1)"  # bounded
)


class Door:
    """One a process. `high_water`: open entries of the fetch lane above which nothing more is let in."""

    def __init__(self, pool: asyncpg.Pool, high_water: int) -> None:
        self._pool = pool
        self._high_water = high_water
        self._inside = 0
        self._inserts = asyncio.Semaphore(MOST_INSERTS)
        self._full = False
        self._look_at = 0.0

    @asynccontextmanager
    async def admitted(self) -> AsyncIterator[None]:
        """Be inside for as long as the block runs.

        Raises:
            Overloaded: full at the moment; the sender tries again.
        """
        if self._inside >= MOST_AT_ONCE or await self._is_full():
            raise Overloaded
        self._inside += 1
        try:
            yield
        finally:
            self._inside -= 1

    @asynccontextmanager
    async def inserting(self) -> AsyncIterator[asyncpg.Connection]:
        """A connection within a transaction, in turn.

        Raises:
            Overloaded: the turn and the block together took too long. Whatever was committed all the same is absorbed
                when the sender repeats it.
        """
        try:
            async with (
                asyncio.timeout(INSERT_SECONDS),
                self._inserts,
                self._pool.acquire() as connection,
                connection.transaction(),
            ):
                yield connection
        except TimeoutError as error:
            raise Overloaded from error

    async def _is_full(self) -> bool:
        """As of at most a second ago; one request looks while the others go by what was seen last."""
        now = asyncio.get_running_loop().time()
        if now >= self._look_at:
            self._look_at = now + LOOK_EVERY_SECONDS
            self._full = await self._pool.fetchval(_FULL, self._high_water, timeout=INSERT_SECONDS)
        return self._full
