"""Ask workers to read again what an answer was drawn from: once per state of the data, however many ask.

Everybody who sees the same `as_of` asks for the same thing, so the inbox takes it once. This process also remembers
what it asked for a moment ago, so that a crowd reading stale data while an upstream is down writes nothing at all.

Asking is a write, and an answer never waits for it: it is done behind the answer, a few at a time. What cannot be asked
for now is asked for by a later read.

Writes: ingest.inbox.
"""

import asyncio
import time
from collections.abc import Sequence
from datetime import datetime

import asyncpg
import structlog

from app.db import is_outage
from app.errors import PortalError
from app.events import Change
from app.ingest.inbox.inbox import Inbox
from app.ingest.refetch.owners import account_history_hint, whmcs_hint

REMEMBERED = 20_000
REMEMBER_SECONDS = 10.0
AT_ONCE = 3
"""So that wishes never take every database connection."""
MOST_WAITING = 500
ASK_SECONDS = 5.0

Wish = tuple[str, str, datetime]
"""(resource, record id, as of): what to read again, and the state of it that is not good enough."""

log = structlog.get_logger()


class Verifications:
    """The wishes of one process."""

    def __init__(self, inbox: Inbox, pool: asyncpg.Pool) -> None:
        self._inbox, self._pool = inbox, pool
        self._asked: dict[str, tuple[float, int | None]] = {}
        self._asking: dict[str, asyncio.Task[int | None]] = {}
        self._turns = asyncio.Semaphore(AT_ONCE)

    def begin(self, wishes: Sequence[Wish]) -> list[asyncio.Task[int | None]]:
        """Have these read again, soon; each task ends with the submission to wait for, if there is one."""
        return [task for wish in wishes if (task := self._begin(*wish)) is not None]

    async def ask(self, wishes: Sequence[Wish], wait_seconds: float) -> list[int | None]:
        """The submissions to wait for, this process's or whoever's asked first; None for what could not be asked for
        in `wait_seconds`."""
        tasks = self.begin(wishes)
        if not tasks:
            return []
        done, _ = await asyncio.wait(tasks, timeout=wait_seconds)
        return [task.result() if task in done else None for task in tasks]

    def _begin(self, resource: str, record_id: str, as_of: datetime) -> "asyncio.Task[int | None] | None":
        hint = _hint(resource, record_id, f"verify:{as_of.isoformat()}")
        key = hint.event_id
        if (running := self._asking.get(key)) is not None:
            return running
        if len(self._asking) >= MOST_WAITING:
            return None
        self._asking[key] = task = asyncio.create_task(self._ask(hint))
        task.add_done_callback(lambda _: self._asking.pop(key, None))
        return task

    async def _ask(self, hint: Change) -> int | None:
        asked_at, number = self._asked.get(hint.event_id, (0.0, None))
        if time.monotonic() - asked_at < REMEMBER_SECONDS:
            return number
        try:
            async with asyncio.timeout(ASK_SECONDS), self._turns:
                number = await self._inbox.submit([hint]) or await self._submission(hint)
        except Exception as error:
            if not isinstance(error, PortalError) and not is_outage(error):
                log.exception("verification_not_asked")
            else:
                log.warning("verification_not_asked", error=repr(error))
            return None
        if len(self._asked) >= REMEMBERED:
            self._asked.clear()
        self._asked[hint.event_id] = (time.monotonic(), number)
        return number

    async def _submission(self, hint: Change) -> int | None:
        return await self._pool.fetchval(  # type: ignore[no-any-return]
            "SELECT submission FROM ingest.inbox WHERE source = $1 AND event_id = $2", hint.source, hint.event_id
        )


def _hint(resource: str, record_id: str, reason: str) -> Change:
    if resource == "account_history":
        return account_history_hint(record_id, reason)
    return whmcs_hint(resource, record_id, reason)
