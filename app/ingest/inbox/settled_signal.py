"""The settled signal: workers notify every process, through Postgres, of submissions that may have become visible.

A notification only means "look again"; the inbox is the truth. Without it (no LISTEN through a transaction pooler, a
lost connection) waiting still works, by polling more often.
"""

import asyncio
import contextlib
from collections.abc import Callable, Iterator, Sequence

import asyncpg
import structlog

from app.db import Db, connect, is_outage
from app.tasks import Background

CHANNEL = "portal_settled"
PAYLOAD_NUMBERS = 350
"""Submission numbers in one notification; Postgres allows 8,000 bytes."""

log = structlog.get_logger()


async def notify(connection: Db, submissions: Sequence[int]) -> None:
    """Notify of submissions within the caller's transaction; delivered once it commits."""
    for start in range(0, len(submissions), PAYLOAD_NUMBERS):
        numbers = " ".join(map(str, submissions[start : start + PAYLOAD_NUMBERS]))
        await connection.execute("SELECT pg_notify($1, $2)", CHANNEL, numbers)


class SettledSignal:
    """The listening connection of a process, and the waiters in that process."""

    def __init__(self) -> None:
        self.works = False
        self._waiting: dict[int, set[asyncio.Event]] = {}
        self._others: dict[str, Callable[[], None]] = {}
        self._connection: asyncpg.Connection | None = None
        self._background = Background("settled_signal")

    def listen(self, database_url: str) -> None:
        """Listen, and again after any interruption, until `close`."""
        self._background.start(self._listen_forever(database_url))

    async def also(self, channel: str, heard: Callable[[], None]) -> None:
        """Call `heard` for every notification of another channel, and once after each interruption, because some may
        have been missed."""
        self._others[channel] = heard
        if self._connection is not None:
            await self._add(self._connection, channel, heard)

    async def close(self) -> None:
        """Stop listening."""
        await self._background.close()

    @contextlib.contextmanager
    def expect(self, submission: int) -> Iterator[asyncio.Event]:
        """Yield an event that is set whenever the submission may have settled."""
        notified = asyncio.Event()
        self._waiting.setdefault(submission, set()).add(notified)
        try:
            yield notified
        finally:
            self._waiting[submission].discard(notified)
            if not self._waiting[submission]:
                del self._waiting[submission]

    async def _listen_forever(self, database_url: str) -> None:
        while True:
            try:
                await self._listen(database_url)
            except Exception as error:
                if not is_outage(error):
                    log.exception("settled_signal_broken")
            finally:
                self.works = False
            await asyncio.sleep(1)

    async def _listen(self, database_url: str) -> None:
        connection = await connect(database_url, "portal-settled")
        ended = asyncio.Event()
        try:
            connection.add_termination_listener(lambda _: ended.set())
            await connection.add_listener(CHANNEL, self._heard)
            self._connection = connection
            for channel, heard in self._others.items():
                await self._add(connection, channel, heard)
            self.works = True
            for submission in list(self._waiting):
                self._set(submission)
            await ended.wait()
        finally:
            self._connection = None
            await connection.close(timeout=2)

    async def _add(self, connection: asyncpg.Connection, channel: str, heard: Callable[[], None]) -> None:
        await connection.add_listener(channel, lambda *_: heard())
        heard()

    def _heard(self, connection: Db, pid: int, channel: str, payload: object) -> None:
        for number in str(payload).split():
            self._set(int(number))

    def _set(self, submission: int) -> None:
        for notified in self._waiting.get(submission, ()):
            notified.set()
