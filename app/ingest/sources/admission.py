"""Admission control of webhooks: a burst is bounded here and by the senders' retries, not by memory.

Only complete, signed requests count. A request is refused when the admitted bodies fill the memory budget, or when the
fetch lane has a backlog above its limit. Few inserts run at once, so that webhooks never take every database
connection.
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
"""Largest accepted body."""
MOST_BYTES = 16 * 1024 * 1024
"""Memory budget for admitted bodies."""
LEAST_BYTES = 16 * 1024
"""Minimum charge per request."""
MOST_INSERTS = 4
INSERT_SECONDS = 5
LOOK_EVERY_SECONDS = 1.0
NOTE_EVERY_SECONDS = 1.0

_FULL = (
    "SELECT EXISTS (SELECT FROM ingest.inbox WHERE lane = 'fetch' AND settled_at IS NULL OFFSET $1 LIMIT 1)"  # bounded
)

log = structlog.get_logger()


class InboxAdmission:
    """Admission control of one process. `high_water`: open entries of the fetch lane above which it refuses."""

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
        """Hold a place for a body of this size while the block runs.

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
        """Open a transaction, a few at a time.

        Raises:
            Overloaded: waiting and the block together took too long. If the commit succeeded all the same, the sender's
                repetition is deduplicated.
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
        """Note that WHMCS's hooks arrive: at most once a second, and without failing the delivery."""
        now = asyncio.get_running_loop().time()
        if now - self._noted_at < NOTE_EVERY_SECONDS:
            return
        self._noted_at = now
        try:
            await webhook_feed.delivered(self._pool)
        except Exception as error:
            log.warning("delivery_not_noted", error=repr(error))

    async def _is_full(self) -> bool:
        """Return whether the fetch lane is full, as of at most a second ago. One request queries for all."""
        now = asyncio.get_running_loop().time()
        if now >= self._look_at:
            self._look_at = now + LOOK_EVERY_SECONDS
            self._full = await self._pool.fetchval(_FULL, self._high_water, timeout=INSERT_SECONDS)
        return self._full
