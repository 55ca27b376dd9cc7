"""What changed, heard from Postgres at the commit, and for how long silence may be believed.

Triggers notify every process of whatever changes what a customer may see, in the transaction that changes it. A process
may answer from memory only while it *holds a lease*: the connection that hears answered a ping which was sent no longer
than `LEASE_SECONDS` ago. A notification of a commit before the ping comes before the ping's answer, so what is served
under the lease is at most that old; who must be sure that everybody has heard waits that long (`heard_everywhere`).
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
"""Between the answer to a ping and the next ping, while anybody asks."""
IDLE_PING_SECONDS = 1.0
PATIENCE_SECONDS = 0.25
"""How long a request waits for a lease that has run out before it is answered without memory: under load that costs
more than waiting, and so more load."""
RETRY_SECONDS = 0.5
_PING = f"SELECT '{CHANNEL}' IN (SELECT pg_listening_channels())"
"""False through a pooler that gave the session to somebody else: then nothing is heard."""

log = structlog.get_logger()


async def heard_everywhere() -> None:
    """After a commit: once this returns, no process answers from what it knew before."""
    await asyncio.sleep(LEASE_SECONDS)


def _nobody(word: str) -> None:
    """Who is told before somebody listens."""


class Lease:
    """One connection of a process that hears of changes."""

    def __init__(self) -> None:
        self._forget: Callable[[str], None] = _nobody
        self._pinged_at = float("-inf")
        self._used = False
        self._asked, self._renewed = asyncio.Event(), asyncio.Event()
        self._background = Background("lease")

    def open(self, database_url: str, forget: Callable[[str], None]) -> None:
        """Begin to hear, and go on after any interruption, until `close`. `forget(word)` is told what changed, `*` for
        everything."""
        self._forget = forget
        self._background.start(self._listen_forever(database_url))

    async def close(self) -> None:
        """Stop hearing."""
        await self._background.close()

    def holds(self) -> bool:
        """Whether memory may be believed at this instant."""
        self._used = True
        return monotonic() - self._pinged_at < LEASE_SECONDS

    async def held(self) -> bool:
        """The same, after a short wait for a lease that has run out."""
        if self.holds():
            return True
        self._asked.set()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(PATIENCE_SECONDS):
                await self._renewed.wait()
        return self.holds()

    async def _listen_forever(self, database_url: str) -> None:
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
            await connection.add_listener(CHANNEL, self._hear)
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
                    await self._asked.wait()
        self._used = False
        self._asked.clear()

    def _hear(self, connection: object, pid: int, channel: str, payload: object) -> None:
        for word in str(payload).split():
            self._forget(word)
