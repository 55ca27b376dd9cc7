"""Accept a command while an upstream that it needs is away: it is kept, shown as queued, and run when that is back.

A command is queued only if nothing of it can have been sent: the breaker is open, or no connection was made. It joins
the queue as well while an earlier one of its account, which needs the same upstream, is still waiting.

Reads and writes: portal.queued_commands, portal.commands. Writes: through `pending`, read_model.pending and notices.
"""

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from http import HTTPStatus
from typing import Any, Literal, TypeVar
from uuid import UUID

import msgspec

from app.commands.execution.context import Actor, Command, Context
from app.commands.execution.ledger import Running
from app.db import Connection, only_row
from app.errors import Conflict, QueueFull, TooManyQueued, UpstreamError, UpstreamUnreached
from app.ingest.inbox import pending
from app.integrations.admission.call_log import UpstreamCall
from app.lock_numbers import LockSpace
from app.settings import Settings
from app.words.sentence import Phrase, say
from app.words.worded import Worded

FIRST_RETRY_SECONDS = 2
BREAKER_OPEN = "breaker_open"
MESSAGE = say("problems.queued")
T = TypeVar("T")

_BEHIND = """
SELECT q.waits_for FROM portal.queued_commands q JOIN portal.commands c ON c.id = q.command_id AND c.state = 'queued'
WHERE q.account_id = $1 AND q.upstreams && $2::text[] ORDER BY q.sequence LIMIT 1
"""
_COUNT = "SELECT count(*) AS total, count(*) FILTER (WHERE account_id = $1) AS own FROM portal.queued_commands"
_ADD = """
INSERT INTO portal.queued_commands (command_id, account_id, user_id, session_id, name, request, command_key, address,
    request_id, upstreams, waits_for, next_attempt_at, expires_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, clock_timestamp() + $12 * interval '1 second',
        clock_timestamp() + $13 * interval '1 hour')
RETURNING queued_at, next_attempt_at, expires_at
"""
_MARK = """
UPDATE portal.commands SET state = 'queued', response_status = $3, response_body = $4, steps = steps || $5,
    retry_at = $6, error_code = NULL, error = NULL
WHERE id = $1 AND locked_until = $2 AND state = 'running' RETURNING true
"""


class QueuedCommand(Worded, frozen=True, kw_only=True):
    """A command that was accepted and waits for a system that is away.

    Attributes:
        command_id: `GET /api/commands/{command_id}` tells how far it is; `command.settled` tells how it ended.
        command: the name of the command.
        state: always `queued`.
        queued_at: when it was accepted.
        next_try_at: when it is tried next; earlier if the system is back earlier.
        expires_at: when it is given up if the system is still away.
        message: a sentence for the customer.
    """

    command_id: UUID
    command: str
    state: Literal["queued"] = "queued"
    queued_at: datetime
    next_try_at: datetime
    expires_at: datetime
    message: str
    message_phrases: tuple[Phrase, ...] = ()


class MustWait(Exception):
    """Nothing of the command was sent. `told_seconds`: when its upstream is expected back."""

    def __init__(self, actor: Actor, request: Any, upstream: str, error: UpstreamError | None = None) -> None:
        super().__init__(upstream)
        self.actor, self.request, self.upstream = actor, request, upstream
        # What only waits for an earlier command is due as soon as that has ended.
        self.retry_seconds = max(error.retry_after_seconds or 0, FIRST_RETRY_SECONDS) if error else 0
        self.told_seconds = error.told_seconds if error else None


def unreached(error: BaseException | None) -> bool:
    """Tell if an error says that nothing was sent, also where it was translated for the customer."""
    while isinstance(error, UpstreamError):
        if isinstance(error, UpstreamUnreached) or error.vendor_code == BREAKER_OPEN:
            return True
        error = error.__cause__
    return False


async def run_or_wait(ctx: Context, command: Command, actor: Actor, request: Any, run: Callable[[], Awaitable[T]]) -> T:
    """Run, unless the command has to wait.

    Raises:
        MustWait: an upstream is away, or an earlier command of the account waits for one that this needs as well.
    """
    if command.away != "queue" or actor.account_id is None:
        return await run()
    if before := await ctx.pool.fetchval(_BEHIND, actor.account_id, list(command.upstreams)):
        raise MustWait(actor, request, before)
    try:
        return await run()
    except UpstreamError as error:
        if not unreached(error):
            raise
        raise MustWait(actor, request, error.upstream, error) from error


async def accept(
    ctx: Context, command: Command, running: Running, waiting: MustWait, steps: Sequence[UpstreamCall]
) -> bytes:
    """Keep the command in place of running it; return the answer. It outlives this process from here on.

    Raises:
        TooManyQueued, QueueFull: it is not kept.
        Conflict: `command_in_progress`, a later run has taken its key over.
    """
    assert command.queued_write is not None
    write = command.queued_write(waiting.actor, waiting.request)
    async with ctx.pool.acquire() as connection, connection.transaction():
        await _refuse_beyond_bounds(connection, ctx.settings, write.account_id, waiting)
        row = await only_row(connection, _ADD, *_values(ctx.settings, command, running, waiting))
        answer = QueuedCommand(
            command_id=running.id,
            command=command.name,
            queued_at=row["queued_at"],
            next_try_at=row["next_attempt_at"],
            expires_at=row["expires_at"],
            message=MESSAGE,
        )
        body = msgspec.json.encode(answer)
        kept = (HTTPStatus.ACCEPTED, body, msgspec.to_builtins(steps), row["next_attempt_at"])
        if not await connection.fetchval(_MARK, running.id, running.locked_until, *kept):
            raise Conflict(say("problems.request_in_progress"), code="command_in_progress", retry_after_seconds=2)
        await pending.queue(connection, write, row["queued_at"])
    return body


async def _refuse_beyond_bounds(
    connection: Connection, settings: Settings, account_id: UUID, waiting: MustWait
) -> None:
    """Count under a lock, so that no number of concurrent requests exceeds a bound."""
    await connection.execute("SELECT pg_advisory_xact_lock($1, 0)", LockSpace.QUEUE)
    count = await only_row(connection, _COUNT, account_id)
    if count["own"] >= settings.queued_per_account:
        raise TooManyQueued(retry_after_seconds=waiting.told_seconds)
    if count["total"] >= settings.queued_commands:
        raise QueueFull(retry_after_seconds=waiting.told_seconds)


def _values(settings: Settings, command: Command, running: Running, waiting: MustWait) -> tuple[Any, ...]:
    actor = waiting.actor
    sender = (running.id, actor.account_id, actor.user_id, actor.session_id)
    what = (command.name, msgspec.json.encode(waiting.request), actor.command_key, actor.address, actor.request_id)
    return *sender, *what, list(command.upstreams), waiting.upstream, waiting.retry_seconds, settings.queue_hours
