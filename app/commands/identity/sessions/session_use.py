"""Deferred writes of the last use of sessions, so that a read neither waits for them nor fails with them.

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
"""Sessions waiting to be written; one that is evicted is recorded again with its next use."""

_WRITE = "UPDATE portal.sessions SET last_seen_at = now() WHERE id = ANY($1) AND revoked_at IS NULL"

log = structlog.get_logger()


class SessionUse:
    """The recorder of session use; one per process."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool
        self._seen: Recent[UUID, bool] = Recent(MOST)
        self._task: asyncio.Task[None] | None = None

    def record(self, sessions: Iterable[UUID]) -> None:
        """Record that these sessions are used now."""
        for session_id in sessions:
            self._seen.put(session_id, True)
        if self._seen and (self._task is None or self._task.done()):
            self._task = asyncio.create_task(self._write())

    async def close(self) -> None:
        """Stop writing; what is still waiting is lost."""
        await tasks.end(self._task)

    async def _write(self) -> None:
        pause_seconds = BATCH_SECONDS
        while self._seen:
            await asyncio.sleep(pause_seconds)
            seen, self._seen = list(self._seen), Recent(MOST)
            try:
                await self._pool.execute(_WRITE, seen, timeout=WRITE_SECONDS)
                pause_seconds = BATCH_SECONDS
            except Exception as error:  # Postgres may be unavailable or read-only; the next try writes these too
                log.debug("sessions_not_touched", error=repr(error))
                for session_id in seen[: MOST - len(self._seen)]:
                    self._seen.put(session_id, True)
                pause_seconds = RETRY_SECONDS
