"""The end of event streams with their session: at the instant at which every process is notified, or when it expires.

The notification (`app/cache/lease.py`) says that a session has changed; Postgres says whether it has ended.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterator

from app.db import is_outage

CHECK_SECONDS = 15.0
"""The interval of checks without a notification, in case one was missed while a connection was down."""
RETRY_SECONDS = 1.0
UNKNOWN_SECONDS = 30.0
"""The time for which a stream stays open and silent while the state of its session cannot be read."""
SPREAD_SECONDS = 0.001
"""The delay between two streams when all of them must check."""

SecondsLeft = Callable[[], Awaitable[float | None]]
"""Returns the seconds until the session expires, or None when it has ended."""


class WatchedSession:
    """The session of one stream.

    Attributes:
        stale: it may have ended since it was last checked.
    """

    def __init__(self, seconds_left: SecondsLeft, woken: asyncio.Event) -> None:
        self._seconds_left, self._woken = seconds_left, woken
        self._clock = asyncio.get_running_loop().time
        self._known_at = self._check_at = self._clock()
        self.stale = True

    def recheck(self) -> None:
        """Make the stream check its session."""
        self.stale = True
        self._woken.set()

    @property
    def wait_seconds(self) -> float:
        """The time for which no check is needed."""
        return 0.0 if self.stale else max(self._check_at - self._clock(), 0.01)

    async def is_live(self) -> bool | None:
        """Return whether the session is live, or None while that cannot be read."""
        if not self.stale and self._clock() < self._check_at:
            return True
        self.stale = False
        try:
            left_seconds = await self._seconds_left()
        except Exception as error:
            if not is_outage(error):
                raise
            self._check_at = self._clock() + RETRY_SECONDS
            return None if self._clock() - self._known_at < UNKNOWN_SECONDS else False
        self._known_at = self._clock()
        self._check_at = self._known_at + min(left_seconds or 0.0, CHECK_SECONDS)
        return left_seconds is not None


class SessionEnds:
    """The watched sessions of one process, by the hexadecimal hash of their token."""

    def __init__(self) -> None:
        self._watched: dict[str, set[WatchedSession]] = {}

    @contextlib.contextmanager
    def watching(self, digest: str, seconds_left: SecondsLeft, woken: asyncio.Event) -> Iterator[WatchedSession]:
        """Set the event when the session may have ended, while the block runs."""
        watched = WatchedSession(seconds_left, woken)
        same = self._watched.setdefault(digest, set())
        same.add(watched)
        try:
            yield watched
        finally:
            same.discard(watched)
            if not same:
                self._watched.pop(digest, None)

    def changed(self, digest: str) -> None:
        """Make the streams of one session check it."""
        for watched in self._watched.get(digest, ()):
            watched.recheck()

    def any_changed(self) -> None:
        """Make all streams check their sessions, one after another: any session may have ended."""
        sessions = [watched for same in self._watched.values() for watched in same]
        for number, watched in enumerate(sessions):
            asyncio.get_running_loop().call_later(number * SPREAD_SECONDS, watched.recheck)
