"""Counts of the present window that a process keeps in memory and adds to Redis at most a second later.

Meant for requests that cost next to nothing: near a limit, several processes together may let through what reaches them
within `FLUSH_SECONDS`. Without Redis each process counts alone.
"""

import asyncio
from typing import Any

from app import tasks
from app.cache.redis_pipeline import RedisPipeline
from app.intake.recent import Recent

FLUSH_SECONDS = 1.0
MOST = 50_000
KEPT_SECONDS = 120


class LocalCount:
    """The count of one key: what Redis is known to hold, and what has not been added to it yet."""

    __slots__ = ("flushed", "pending")

    def __init__(self) -> None:
        self.flushed = self.pending = 0


class LocalCounts:
    """Counts by key, of the newest window. At most `MOST` are kept: the one that was not counted for the longest time
    is evicted first, and flushed to Redis."""

    def __init__(self, pipeline: RedisPipeline) -> None:
        self._pipeline = pipeline
        self._window = 0
        self._counts: Recent[str, LocalCount] = Recent(MOST)
        self._task: asyncio.Task[None] | None = None

    def open(self) -> None:
        """Start to flush periodically."""
        self._task = asyncio.create_task(self._flush_periodically())

    async def close(self) -> None:
        """Stop flushing."""
        await tasks.end(self._task)

    def of(self, subject: str, window: int) -> LocalCount:
        """Return the count of a subject in the present window."""
        if window != self._window:
            self._window, self._counts = window, Recent(MOST)
        count = self._counts.seen(subject)
        if count is None:
            count = LocalCount()
            if evicted := self._counts.put(subject, count):
                self._flush(*evicted)
        return count

    def count(self, subject: str, window: int) -> int:
        """Count once more, and return the count as far as it is known here."""
        count = self.of(subject, window)
        count.pending += 1
        return count.flushed + count.pending

    async def flush(self) -> None:
        """Add the pending counts to Redis, and learn what other processes counted."""
        flushing = [(count, self._flush(subject, count)) for subject, count in self._counts.items() if count.pending]
        for count, reply in flushing:
            total = await reply if reply else None
            count.flushed = max(count.flushed, int(total or 0))

    def _flush(self, subject: str, count: LocalCount) -> "asyncio.Future[Any] | None":
        if not count.pending:
            return None
        key = f"{subject}:{self._window}".encode()
        reply = self._pipeline.begin(b"INCRBY", key, b"%d" % count.pending)
        self._pipeline.send(b"EXPIRE", key, b"%d" % KEPT_SECONDS)
        count.flushed, count.pending = count.flushed + count.pending, 0
        return reply

    async def _flush_periodically(self) -> None:
        while True:
            await asyncio.sleep(FLUSH_SECONDS)
            await self.flush()
