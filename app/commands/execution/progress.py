"""The progress of a command: its calls, what became of it, and when it is tried again.

Reads: portal.commands, ingest.inbox, ingest.notices.
"""

from datetime import datetime
from typing import Literal
from uuid import UUID

import asyncpg
from msgspec import Struct

from app.commands.execution.ledger import LOCK_SECONDS
from app.db import row
from app.errors import NotFound
from app.ingest.versions.notices import Outcome
from app.integrations.admission.call_log import UpstreamCall
from app.words.sentence import Phrase

_STATE = f"""
SELECT c.id AS command_id, c.name, c.state, c.response_status AS status, c.submission, c.created_at AS started_at,
       c.finished_at, c.attempts, c.error_code, c.error, c.error_phrases, c.steps,
       coalesce(c.retry_at, (SELECT min(i.next_attempt_at) FROM ingest.inbox i
                             WHERE i.submission = c.submission AND i.settled_at IS NULL)) AS next_try_at,
       n.outcome, n.version AS settled_version
FROM portal.commands c LEFT JOIN LATERAL (
    SELECT outcome, version FROM ingest.notices
    WHERE account_id = c.account_id AND slice = 'commands' AND item_id = c.id::text 
      AND created_at >= c.locked_until - interval '{LOCK_SECONDS} seconds'
    ORDER BY version DESC LIMIT 1) AS n ON c.state NOT IN ('running', 'queued')
WHERE c.scope = $1 AND (c.id::text = $2 OR c.idempotency_key = $2) LIMIT 1
"""


class CommandState(Struct, frozen=True, kw_only=True):
    """The progress of a command. A failed one may be sent again under its key."""

    command_id: UUID
    name: str
    state: Literal["running", "queued", "done", "failed"]
    status: int | None
    submission: int | None
    started_at: datetime
    finished_at: datetime | None
    attempts: int
    error_code: str | None
    error: str | None
    error_phrases: tuple[Phrase, ...]
    steps: list[UpstreamCall]
    next_try_at: datetime | None
    outcome: Outcome | None
    settled_version: int | None


async def state(pool: asyncpg.Pool, scope: str, id_or_key: str) -> CommandState:
    """Return the progress of a command, found by its id or by the key it was sent with.

    Raises:
        NotFound: unknown, already deleted, or another caller's.
    """
    found = await row(pool, CommandState, _STATE, scope, id_or_key)
    if found is None:
        raise NotFound
    return found
