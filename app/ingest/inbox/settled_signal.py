"""The bell: workers tell every process, through Postgres, which submissions may have become visible.

A notification only says "look again"; the inbox is the truth. Without it (no LISTEN through a transaction pooler, the
connection just lost) waiting still works, by asking more often.
"""

import asyncio
import contextlib
from collections.abc import Callable, Iterator, Sequence

import asyncpg
import structlog

from app import tasks
from app.db import Db, connect, is_outage

CHANNEL = "portal_settled"
PAYLOAD_NUMBERS = 350
"""Submission numbers in one notification; Postgres allows 8,000 bytes."""

log = structlog.get_logger()


async def ring(connection: Db, submissions: Sequence[int]) -> None:
    """Within the caller's transaction; heard once it commits."""
    for start in range(0, len(submissions), PAYLOAD_NUMBERS):
        numbers = " ".join(map(str, submissions[start : start + PAYLOAD_NUMBERS]))
        await connection.execute("SELECT pg_notify($1, $2)", CHANNEL, numbers)


class SettledSignal:
    """One connection of a process that hears the bell, and everybody in it who waits."""

    def __init__(self) -> None:
        self.works = False
        self._waiting: dict[int, set[asyncio.Event]] = {}
        self._others: dict[str, Callable[[], None]] = {}
        self._connection: asyncpg.Connection | None = None
        self._task: asyncio.Task[None] | None = None

    def listen(self, database_url: str) -> None:
        """Begin to hear, and go on after any interruption, until `close`."""
        self._task = asyncio.create_task(self._listen_for_ever(database_url))

    async def also(self, channel: str, heard: Callable[[], None]) -> None:
        """Call `heard` for every notification of another channel, and once after each interruption, in which some may
        have been missed."""
        self._others[channel] = heard
        if self._connection is not None:
            await self._add(self._connection, channel, heard)

    async def close(self) -> None:
        """Stop hearing."""
        await tasks.end(self._task)

    @contextlib.contextmanager
    def expect(self, submission: int) -> Iterator[asyncio.Event]:
        """An event that is set whenever it is worth looking again."""
        rung = asyncio.Event()
        self._waiting.setdefault(submission, set()).add(rung)
        try:
            yield rung
        finally:
            self._waiting[submission].discard(rung)
            if not self._waiting[submission]:
                del self._waiting[submission]

    async def _listen_for_ever(self, database_url: str) -> None:
        while True:
            try:
                await self._listen(database_url)
            except Exception as error:
                if not is_outage(error):
                    log.exception("bell_broken")
            finally:
                self.works = False
            await asyncio.sleep(1)

    async def _listen(self, database_url: str) -> None:
        connection = await connect(database_url, "portal-bell")
        ended = asyncio.Event()
        try:
            connection.add_termination_listener(lambda _: ended.set())
            await connection.add_listener(CHANNEL, self._hear)
            self._connection = connection
            for channel, heard in self._others.items():
                await self._add(connection, channel, heard)
            self.works = True
            for submission in list(self._waiting):
                self._rouse(submission)
            await ended.wait()
        finally:
            self._connection = None
            await connection.close(timeout=2)

    async def _add(self, connection: asyncpg.Connection, channel: str, heard: Callable[[], None]) -> None:
        await connection.add_listener(channel, lambda *_: heard())
        heard()

    def _hear(self, connection: Db, pid: int, channel: str, payload: object) -> None:
        for number in str(payload).split():
            self._rouse(int(number))

    def _rouse(self, submission: int) -> None:
        for rung in self._waiting.get(submission, ()):
            rung.set()
