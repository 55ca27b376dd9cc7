"""Run the commands that waited for an upstream, in order, with every rule checked again.

One worker at a time runs those of an account. A run is a run like any other: the same handler under the same key, which
looks upstream before it writes where an earlier attempt may have taken effect.
"""

import asyncio
from collections.abc import Sequence
from functools import cache
from typing import Any, get_type_hints
from uuid import UUID

import msgspec
import structlog

from app.commands.execution import ledger, queue, queue_entries
from app.commands.execution.context import Command, Context, Done
from app.commands.execution.execute import record, refused
from app.commands.execution.ledger import RunEnd
from app.commands.execution.queue_entries import QueueEntry
from app.commands.execution.recorded import failure_of
from app.commands.registry import COMMANDS
from app.errors import Conflict, NotAllowed, OutcomeUnknown, PortalError, UpstreamError, UpstreamRejected
from app.http.answering.problems import as_told
from app.integrations.admission import call_log
from app.integrations.admission.call_log import UpstreamCall
from app.integrations.admission.priority import background
from app.ordering.availability import CLOSED_CLIENTS
from app.tasks import end
from app.words.sentence import say

AT_ONCE = 4
MOST_ACCOUNTS = 200
LONGEST_PAUSE_SECONDS = 300.0
EXPIRED = say("problems.queue_expired")
REVOKED = say("problems.queued_session_revoked")
CLOSED = say("problems.queued_account_closed")

log = structlog.get_logger()


async def run_due(ctx: Context) -> str:
    """Run what is due of every account; return a few words about it."""
    await queue_entries.clean(ctx.pool)
    accounts = await queue_entries.due_accounts(ctx.pool, MOST_ACCOUNTS)
    turns = asyncio.Semaphore(AT_ONCE)

    async def one(account_id: UUID) -> int:
        async with turns:
            return await run_account(ctx, account_id)

    with background():
        tasks = [asyncio.create_task(one(account_id)) for account_id in accounts]
        try:
            results = await asyncio.gather(*tasks, return_exceptions=True)
        finally:
            await end(*tasks)
    for failure in (each for each in results if isinstance(each, BaseException)):
        log.error("queued_command_failed", error=repr(failure))
    ran = sum(each for each in results if isinstance(each, int))
    return f"{ran} attempts" if ran else ""


async def run_account(ctx: Context, account_id: UUID) -> int:
    """Run what is due of one account, in order, unless another worker does; return the number of attempts."""
    attempts = 0
    async with ctx.locks.exclusively("queue", account_id) as mine:
        while mine and (entry := await queue_entries.next_due(ctx.pool, account_id)):
            await mine.prove()
            await _attempt(ctx, entry)
            attempts += 1
    return attempts


async def _attempt(ctx: Context, entry: QueueEntry) -> None:
    if entry.expired:
        expired = Conflict(EXPIRED, code="queue_expired")
        await queue_entries.give_up(ctx.pool, entry, expired.code, EXPIRED)
        return
    command = _commands()[entry.name]
    with call_log.logged() as steps:
        try:
            _check(entry)
            if not await queue_entries.begin(ctx.pool, entry):
                return
            request = msgspec.json.decode(entry.request, type=_request_of(command))
            done = await command.handle(ctx, entry.actor, request)
        except PortalError as error:
            await _failed(ctx, entry, command, error, steps)
            return
    await _finish(ctx, entry, done, steps)


def _check(entry: QueueEntry) -> None:
    """Check what the session of a request would have been checked for; the handler checks everything else again.

    Raises:
        NotAllowed: `session_revoked`, `account_closed`.
    """
    if entry.revoked or entry.role != "customer" or not entry.salesforce_account_id:
        raise NotAllowed(REVOKED, code="session_revoked")
    if entry.client_status.casefold() in CLOSED_CLIENTS:
        raise NotAllowed(CLOSED, code="account_closed")


async def _finish(ctx: Context, entry: QueueEntry, done: Done, steps: Sequence[UpstreamCall]) -> None:
    """Record the end. The answer under the key stays the one that was given: that it was queued."""
    await record(ctx.pool, entry.actor, entry.name, "ok", target=done.target)
    outcome = done.outcome if done.submission is None else None
    end_of_run = RunEnd(steps=steps, outcome=outcome)
    await ledger.finish(ctx.pool, entry.running, 202, entry.answer, done.submission, end_of_run)
    await queue_entries.remove(ctx.pool, entry.command_id)
    log.info("queued_command_done", command=entry.name, command_id=str(entry.command_id), attempts=entry.attempts + 1)


async def _failed(
    ctx: Context, entry: QueueEntry, command: Command, error: PortalError, steps: Sequence[UpstreamCall]
) -> None:
    if not is_momentary(error):
        await refused(ctx, entry.actor, entry.name, error)
        await ledger.fail(ctx.pool, entry.running, failure_of(error, as_told), steps=steps)
        await queue_entries.remove(ctx.pool, entry.command_id)
        log.info("queued_command_refused", command=entry.name, command_id=str(entry.command_id), code=error.code)
        return
    assert command.queued_write is not None
    request = msgspec.json.decode(entry.request, type=_request_of(command))
    await queue_entries.postpone(
        ctx.pool,
        entry,
        command.queued_write(entry.actor, request),
        seconds=pause_seconds(error, entry.attempts),
        repeated=entry.repeated or isinstance(error, OutcomeUnknown),
        upstream=error.upstream if isinstance(error, UpstreamError) else None,
        steps=steps,
    )


def is_momentary(error: PortalError) -> bool:
    """Tell if the same command may succeed later: its upstream is away, or another change is in progress."""
    if isinstance(error, UpstreamError):
        return not isinstance(error, UpstreamRejected)
    return isinstance(error, Conflict) and error.retry_after_seconds is not None


def pause_seconds(error: PortalError, attempts: int) -> float:
    """Return how long to wait: until the next probe of an open breaker, or longer with every attempt."""
    asked = float(error.retry_after_seconds or 0)
    grown = 0.0 if queue.unreached(error) else 2.0 ** min(attempts + 1, 10)
    return min(max(asked, grown, queue.FIRST_RETRY_SECONDS), LONGEST_PAUSE_SECONDS)


@cache
def _commands() -> dict[str, Command]:
    return {command.name: command for command in COMMANDS if command.away == "queue"}


@cache
def _request_of(command: Command) -> Any:
    return get_type_hints(command.handle)["request"]
