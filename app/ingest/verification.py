"""Ask workers to read again what an answer was drawn from: once per state of the data, however many ask.

Everybody who sees the same `as_of` asks for the same thing, so the inbox takes it once. This process also remembers
what it asked for a moment ago, so that a crowd reading stale data while an upstream is down writes nothing at all.

Writes: ingest.inbox.
"""

import asyncio
import time
from collections.abc import Sequence
from datetime import datetime

import asyncpg

from app.events import Change
from app.ingest.accounts import account_history_hint, whmcs_hint
from app.ingest.inbox import Inbox

REMEMBERED = 20_000
REMEMBER_SECONDS = 10.0
ASK_SECONDS = 1.0
BROKEN_SECONDS = 5.0
"""While the inbox does not take wishes nobody waits for it again."""

Wish = tuple[str, str, datetime]
"""(resource, record id, as of): what to read again, and the state of it that is not good enough."""


class Verifications:
    """The wishes of one process."""

    def __init__(self, inbox: Inbox, pool: asyncpg.Pool) -> None:
        self._inbox, self._pool = inbox, pool
        self._asked: dict[str, tuple[float, int | None]] = {}
        self._broken_until = float("-inf")

    async def ask(self, wishes: Sequence[Wish]) -> list[int]:
        """Have these read again; returns the submissions to wait for, this process's or whoever's asked first.

        Raises:
            TimeoutError: the inbox did not take them in time.
        """
        if time.monotonic() < self._broken_until:
            return []
        try:
            async with asyncio.timeout(ASK_SECONDS):
                return [number for wish in wishes if (number := await self._ask(*wish)) is not None]
        except Exception:
            self._broken_until = time.monotonic() + BROKEN_SECONDS
            raise

    async def _ask(self, resource: str, record_id: str, as_of: datetime) -> int | None:
        hint = _hint(resource, record_id, f"verify:{as_of.isoformat()}")
        asked_at, number = self._asked.get(hint.event_id, (0.0, None))
        if time.monotonic() - asked_at < REMEMBER_SECONDS:
            return number
        number = await self._inbox.submit([hint]) or await self._submission(hint)
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
