"""Change notifications from Postgres, and a lease that says how long silence may be trusted.

Triggers notify every process of whatever changes what a customer may see, in the transaction that changes it. A process
may answer from memory only while it *holds a lease*: its listening connection answered a ping that was sent no longer
than `LEASE_SECONDS` ago. A notification of a commit before the ping arrives before the ping's answer, so what is served
under the lease is at most that old. A command that must be sure that every process was notified waits that long
(`heard_everywhere`).
"""

import asyncio
import contextlib
from collections.abc import Callable
from time import monotonic

import structlog

from app.db import connect, is_outage
from app.tasks import Background

CHANNEL = "portal_changed"
LEASE_SECONDS = 0.05
PING_SECONDS = 0.012
"""Between the answer to a ping and the next ping, while there are requests."""
IDLE_PING_SECONDS = 1.0
PATIENCE_SECONDS = 0.25
"""How long a request waits for an expired lease before it bypasses memory, which costs more and so adds load."""
RETRY_SECONDS = 0.5
_PING = f"SELECT '{CHANNEL}' IN (SELECT pg_listening_channels())"
"""False through a pooler that gave the session to another client: then no notification arrives."""

log = structlog.get_logger()


async def heard_everywhere() -> None:
    """Wait after a commit until no process answers from what it knew before."""
    await asyncio.sleep(LEASE_SECONDS)


def _ignore(word: str) -> None:
    """Ignore notifications until `open` is called."""


class Lease:
    """The listening connection of a process."""

    def __init__(self) -> None:
        self._forget: Callable[[str], None] = _ignore
        self._pinged_at = float("-inf")
        self._used = False
        self._wanted, self._renewed = asyncio.Event(), asyncio.Event()
        self._background = Background("lease")

    def open(self, database_url: str, forget: Callable[[str], None]) -> None:
        """Begin to listen, and reconnect after any interruption until `close`.

        `forget(word)` is called with what changed, `*` for everything.
        """
        self._forget = forget
        self._background.start(self._keep_listening(database_url))

    async def close(self) -> None:
        """Stop listening for notifications."""
        await self._background.close()

    def holds(self) -> bool:
        """Return true if memory may be trusted at this instant."""
        self._used = True
        return monotonic() - self._pinged_at < LEASE_SECONDS

    async def held(self) -> bool:
        """Return the same, after a short wait if the lease has expired."""
        if self.holds():
            return True
        self._wanted.set()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(PATIENCE_SECONDS):
                await self._renewed.wait()
        return self.holds()

    async def _keep_listening(self, database_url: str) -> None:
        while True:
            try:
                await self._listen(database_url)
            except Exception as error:
                if not is_outage(error):
                    log.exception("watch_broken")
            finally:
                self._pinged_at = float("-inf")
                self._forget("*")
            await asyncio.sleep(RETRY_SECONDS)

    async def _listen(self, database_url: str) -> None:
        connection = await connect(database_url, "portal-watch")
        try:
            await connection.add_listener(CHANNEL, self._on_notification)
            self._forget("*")
            ping = await connection.prepare(_PING)
            while True:
                sent_at = monotonic()
                if not await ping.fetchval(timeout=2):
                    log.error("watch_deaf", hint="DATABASE_URL must reach Postgres without a transaction pooler")
                    return
                self._pinged_at = sent_at
                self._renewed.set()
                self._renewed.clear()
                await self._pause()
        finally:
            connection.terminate()

    async def _pause(self) -> None:
        await asyncio.sleep(PING_SECONDS)
        if not self._used:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(IDLE_PING_SECONDS):
                    await self._wanted.wait()
        self._used = False
        self._wanted.clear()

    def _on_notification(self, connection: object, pid: int, channel: str, payload: object) -> None:
        for word in str(payload).split():
            self._forget(word)
