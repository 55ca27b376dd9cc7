"""Event streams end with their session: told at the instant at which every process hears that it may have ended, and
at the one at which it runs out.

What is heard (`app/cache/lease.py`) is that a session is another than it was; Postgres says what became of it.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterator

from app.db import is_outage

LOOK_SECONDS = 15.0
"""Between two looks without a cause: what was heard of is not lost, but a process may have been deaf for a moment."""
RETRY_SECONDS = 1.0
UNKNOWN_SECONDS = 30.0
"""How long a stream stays, and tells nothing, while nobody can say whether its session goes on."""
SPREAD_SECONDS = 0.001
"""Between two streams when all of them must look."""

Left = Callable[[], Awaitable[float | None]]
"""Seconds until the session ends by itself; None when it has ended."""


class Watched:
    """The session of one stream. `doubted`: it may have ended since it was looked at."""

    def __init__(self, left: Left, rung: asyncio.Event) -> None:
        self._left, self._rung = left, rung
        self._clock = asyncio.get_running_loop().time
        self._known_at = self._look_at = self._clock()
        self.doubted = True

    def doubt(self) -> None:
        """Have the stream look."""
        self.doubted = True
        self._rung.set()

    @property
    def wait_seconds(self) -> float:
        """How long nothing needs to be looked at."""
        return 0.0 if self.doubted else max(self._look_at - self._clock(), 0.01)

    async def goes_on(self) -> bool | None:
        """Whether it does; None when that cannot be found out at the moment."""
        if not self.doubted and self._clock() < self._look_at:
            return True
        self.doubted = False
        try:
            left_seconds = await self._left()
        except Exception as error:
            if not is_outage(error):
                raise
            self._look_at = self._clock() + RETRY_SECONDS
            return None if self._clock() - self._known_at < UNKNOWN_SECONDS else False
        self._known_at = self._clock()
        self._look_at = self._known_at + min(left_seconds or 0.0, LOOK_SECONDS)
        return left_seconds is not None


class SessionEnds:
    """The watched sessions of one process, by the hexadecimal hash of their token."""

    def __init__(self) -> None:
        self._watched: dict[str, set[Watched]] = {}

    @contextlib.contextmanager
    def watching(self, digest: str, left: Left, rung: asyncio.Event) -> Iterator[Watched]:
        """Ring when the session may have ended, for as long as the block runs."""
        watched = Watched(left, rung)
        same = self._watched.setdefault(digest, set())
        same.add(watched)
        try:
            yield watched
        finally:
            same.discard(watched)
            if not same:
                self._watched.pop(digest, None)

    def heard_of(self, digest: str) -> None:
        """Of one session."""
        for watched in self._watched.get(digest, ()):
            watched.doubt()

    def heard_nothing(self) -> None:
        """Any may have ended: look at all of them, one after another."""
        everybody = [watched for same in self._watched.values() for watched in same]
        for number, watched in enumerate(everybody):
            asyncio.get_running_loop().call_later(number * SPREAD_SECONDS, watched.doubt)
