"""Request refetches of the sources of stale answers: once per state of the data, however many readers there are.

Readers of the same `as_of` submit the same hint, so the inbox stores it once. Each process also remembers its recent
requests, so that many reads of stale data during an upstream outage write nothing.

A request is a write, and an answer never waits for it: it runs in the background, a few at a time. A request that fails
is repeated by a later read.

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
"""Concurrent requests, so that they never take every database connection."""
MOST_WAITING = 500
REQUEST_SECONDS = 5.0

RefetchRequest = tuple[str, str, datetime]
"""(resource, record id, as of): what to read again, and the time of its stale state."""

log = structlog.get_logger()


class Verifications:
    """The refetch requests of one process."""

    def __init__(self, inbox: Inbox, pool: asyncpg.Pool) -> None:
        self._inbox, self._pool = inbox, pool
        self._requested: dict[str, tuple[float, int | None]] = {}
        self._running: dict[str, asyncio.Task[int | None]] = {}
        self._turns = asyncio.Semaphore(AT_ONCE)

    def begin(self, requests: Sequence[RefetchRequest]) -> list[asyncio.Task[int | None]]:
        """Start the requests; each task returns the submission to wait for, if there is one."""
        return [task for each in requests if (task := self._begin(*each)) is not None]

    async def request(self, requests: Sequence[RefetchRequest], wait_seconds: float) -> list[int | None]:
        """Return the submissions to wait for, of this process or of another that requested first.

        None for a request that was not stored within `wait_seconds`.
        """
        tasks = self.begin(requests)
        if not tasks:
            return []
        done, _ = await asyncio.wait(tasks, timeout=wait_seconds)
        return [task.result() if task in done else None for task in tasks]

    def _begin(self, resource: str, record_id: str, as_of: datetime) -> "asyncio.Task[int | None] | None":
        hint = _hint(resource, record_id, f"verify:{as_of.isoformat()}")
        key = hint.event_id
        if (running := self._running.get(key)) is not None:
            return running
        if len(self._running) >= MOST_WAITING:
            return None
        self._running[key] = task = asyncio.create_task(self._request(hint))
        task.add_done_callback(lambda _: self._running.pop(key, None))
        return task

    async def _request(self, hint: Change) -> int | None:
        requested_at, number = self._requested.get(hint.event_id, (0.0, None))
        if time.monotonic() - requested_at < REMEMBER_SECONDS:
            return number
        try:
            async with asyncio.timeout(REQUEST_SECONDS), self._turns:
                number = await self._inbox.submit([hint]) or await self._submission(hint)
        except Exception as error:
            if not isinstance(error, PortalError) and not is_outage(error):
                log.exception("refetch_not_requested")
            else:
                log.warning("refetch_not_requested", error=repr(error))
            return None
        if len(self._requested) >= REMEMBERED:
            self._requested.clear()
        self._requested[hint.event_id] = (time.monotonic(), number)
        return number

    async def _submission(self, hint: Change) -> int | None:
        return await self._pool.fetchval(  # type: ignore[no-any-return]
            "SELECT submission FROM ingest.inbox WHERE source = $1 AND event_id = $2", hint.source, hint.event_id
        )


def _hint(resource: str, record_id: str, reason: str) -> Change:
    if resource == "account_history":
        return account_history_hint(record_id, reason)
    return whmcs_hint(resource, record_id, reason)
