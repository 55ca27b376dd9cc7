"""Counts of the present window that a process keeps itself and tells Redis about, a second late at most.

For requests that cost next to nothing: above a limit, several processes together may let through what reaches them
within `SAY_SECONDS`. Without Redis each process counts alone.
"""

import asyncio
from typing import Any

from app import tasks
from app.cache.redis_pipeline import RedisPipeline
from app.intake.recent import Recent

SAY_SECONDS = 1.0
MOST = 50_000
KEPT_SECONDS = 120


class LocalCount:
    """One key's count: what Redis is known to hold, and what it was not told yet."""

    __slots__ = ("said", "unsaid")

    def __init__(self) -> None:
        self.said = self.unsaid = 0


class Tallies:
    """Counts by key. Only those of the newest window are kept, and of these `MOST`: what many new keys push out was
    not counted for the longest time, and Redis is told of it."""

    def __init__(self, copies: RedisPipeline) -> None:
        self._copies = copies
        self._window = 0
        self._tallies: Recent[str, LocalCount] = Recent(MOST)
        self._task: asyncio.Task[None] | None = None

    def open(self) -> None:
        """Begin to tell Redis."""
        self._task = asyncio.create_task(self._say_for_ever())

    async def close(self) -> None:
        """Stop telling."""
        await tasks.end(self._task)

    def of(self, subject: str, window: int) -> LocalCount:
        """A subject's tally in the present window."""
        if window != self._window:
            self._window, self._tallies = window, Recent(MOST)
        tally = self._tallies.seen(subject)
        if tally is None:
            tally = LocalCount()
            if pushed_out := self._tallies.put(subject, tally):
                self._tell(*pushed_out)
        return tally

    def count(self, subject: str, window: int) -> int:
        """Count once more; the count as far as it is known here."""
        tally = self.of(subject, window)
        tally.unsaid += 1
        return tally.said + tally.unsaid

    async def say(self) -> None:
        """Tell Redis what it was not told, and learn what others counted."""
        asked = [(tally, self._tell(subject, tally)) for subject, tally in self._tallies.items() if tally.unsaid]
        for tally, answer in asked:
            total = await answer if answer else None
            tally.said = max(tally.said, int(total or 0))

    def _tell(self, subject: str, tally: LocalCount) -> "asyncio.Future[Any] | None":
        if not tally.unsaid:
            return None
        key = f"{subject}:{self._window}".encode()
        answer = self._copies.begin(b"INCRBY", key, b"%d" % tally.unsaid)
        self._copies.send(b"EXPIRE", key, b"%d" % KEPT_SECONDS)
        tally.said, tally.unsaid = tally.said + tally.unsaid, 0
        return answer

    async def _say_for_ever(self) -> None:
        while True:
            await asyncio.sleep(SAY_SECONDS)
            await self.say()
