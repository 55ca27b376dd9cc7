"""Writes down that sessions are in use, behind the answers: a read is neither slower nor fails because of it.

Writes: portal.sessions.
"""

import asyncio
from collections.abc import Iterable
from uuid import UUID

import asyncpg
import structlog

from app import tasks
from app.intake.recent import Recent

BATCH_SECONDS = 0.05
WRITE_SECONDS = 5.0
RETRY_SECONDS = 5.0
MOST = 50_000
"""Sessions that wait to be written down; one that is pushed out comes again with its next use."""

_TOUCH = "UPDATE portal.sessions SET last_seen_at = now() WHERE id = ANY($1) AND revoked_at IS NULL"

log = structlog.get_logger()


class SessionUse:
    """One a process."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool
        self._seen: Recent[UUID, bool] = Recent(MOST)
        self._task: asyncio.Task[None] | None = None

    def record(self, sessions: Iterable[UUID]) -> None:
        """These were used now."""
        for session_id in sessions:
            self._seen.put(session_id, True)
        if self._seen and (self._task is None or self._task.done()):
            self._task = asyncio.create_task(self._write())

    async def close(self) -> None:
        """What is not written by now is not."""
        await tasks.end(self._task)

    async def _write(self) -> None:
        pause_seconds = BATCH_SECONDS
        while self._seen:
            await asyncio.sleep(pause_seconds)
            seen, self._seen = list(self._seen), Recent(MOST)
            try:
                await self._pool.execute(_TOUCH, seen, timeout=WRITE_SECONDS)
                pause_seconds = BATCH_SECONDS
            except Exception as error:  # Postgres may be away or read-only; the next try writes these too
                log.debug("sessions_not_touched", error=repr(error))
                for session_id in seen[: MOST - len(self._seen)]:
                    self._seen.put(session_id, True)
                pause_seconds = RETRY_SECONDS
