"""How much the inbox takes from webhooks at once. A burst is bounded here and by the senders' retries, not by memory.

Only what is there and signed counts. It is refused when the bodies inside already are as much as may be in memory, or
when more waits to be read again upstream than can be done soon. Only a few inserts run at once, so that webhooks never
take every database connection.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg
import structlog

from app.db import Connection
from app.errors import Overloaded
from app.ingest.sources import webhook_feed

LARGEST_BYTES = 262_144
"""A larger body is refused."""
MOST_BYTES = 16 * 1024 * 1024
"""Of bodies inside at once."""
LEAST_BYTES = 16 * 1024
"""What a request costs beside its body."""
MOST_INSERTS = 4
INSERT_SECONDS = 5
LOOK_EVERY_SECONDS = 1.0
NOTE_EVERY_SECONDS = 1.0

_FULL = (
    "SELECT EXISTS (SELECT FROM ingest.inbox WHERE lane = 'fetch' AND settled_at IS NULL OFFSET $1 LIMIT 1)"  # bounded
)

log = structlog.get_logger()


class InboxAdmission:
    """One a process. `high_water`: open entries of the fetch lane above which nothing more is let in."""

    def __init__(self, pool: asyncpg.Pool, high_water: int) -> None:
        self._pool = pool
        self._high_water = high_water
        self._bytes = 0
        self._inserts = asyncio.Semaphore(MOST_INSERTS)
        self._full = False
        self._look_at = 0.0
        self._noted_at = float("-inf")

    @asynccontextmanager
    async def admitted(self, size: int) -> AsyncIterator[None]:
        """Be inside for as long as the block runs, with a body of so many bytes.

        Raises:
            Overloaded: full at the moment; the sender tries again.
        """
        cost = max(size, LEAST_BYTES)
        if await self._is_full() or self._bytes + cost > MOST_BYTES:
            raise Overloaded
        self._bytes += cost
        try:
            yield
        finally:
            self._bytes -= cost

    @asynccontextmanager
    async def inserting(self) -> AsyncIterator[Connection]:
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

    async def note_delivery(self) -> None:
        """That WHMCS's hooks arrive; at most once in a while, and never at the cost of what was delivered."""
        now = asyncio.get_running_loop().time()
        if now - self._noted_at < NOTE_EVERY_SECONDS:
            return
        self._noted_at = now
        try:
            await webhook_feed.delivered(self._pool)
        except Exception as error:
            log.warning("delivery_not_noted", error=repr(error))

    async def _is_full(self) -> bool:
        """As of at most a second ago; one request looks while the others go by what was seen last."""
        now = asyncio.get_running_loop().time()
        if now >= self._look_at:
            self._look_at = now + LOOK_EVERY_SECONDS
            self._full = await self._pool.fetchval(_FULL, self._high_water, timeout=INSERT_SECONDS)
        return self._full
