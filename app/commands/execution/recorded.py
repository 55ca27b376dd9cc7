"""A run of a command under its ledger row: its upstream calls, its answer or why it failed."""

from collections.abc import Awaitable, Callable
from http import HTTPStatus
from uuid import UUID

from msgspec import Struct

from app.commands.execution import ledger, queue
from app.commands.execution.context import Command, Context
from app.commands.execution.ledger import Effect, RunEnd, RunFailure, Running
from app.commands.execution.queue import MustWait
from app.errors import (
    Conflict,
    InvalidRequest,
    NotAllowed,
    NotAuthenticated,
    NotFound,
    OutcomeUnknown,
    Outdated,
    PaymentRefused,
    PortalError,
    RuleViolated,
    TooLarge,
    UpstreamRejected,
)
from app.ingest.versions.notices import Outcome
from app.integrations.admission import call_log

REFUSALS = (
    InvalidRequest,
    RuleViolated,
    NotFound,
    Conflict,
    Outdated,
    NotAuthenticated,
    NotAllowed,
    PaymentRefused,
    TooLarge,
    UpstreamRejected,
)

Told = Callable[[PortalError], PortalError]


class KeptAnswer(Struct, frozen=True):
    """The answer of a command.

    Attributes:
        submission: its effects are awaited.
        account_id: the account that it belongs to.
        account_version: the version of the account that the body includes.
        outcome: how the command ended, if no change has to show that.
        etag: the validator of the body, if a read now would have the same one. It is not kept for replays.
        status: in place of the route's own.
    """

    body: bytes
    submission: int | None
    account_id: UUID | None
    account_version: int | None = None
    outcome: Outcome | None = None
    etag: str = ""
    status: int | None = None


async def recorded(
    ctx: Context, command: Command, running: Running, status: int, work: Awaitable[KeptAnswer], told: Told
) -> KeptAnswer:
    """Do the work and record its outcome in the ledger. Raises what the work raises; `told` is how the customer is told
    of an error."""
    with call_log.logged() as steps:
        try:
            try:
                answer = await work
            except MustWait as waiting:
                body = await queue.accept(ctx, command, running, waiting, steps)
                return KeptAnswer(body, None, waiting.actor.account_id, status=HTTPStatus.ACCEPTED)
        except BaseException as error:
            # Also when the outcome is unknown: a retry is wanted then, and the command looks first, by its own key.
            await ledger.fail(ctx.pool, running, failure_of(error, told), steps=steps, tracked=command.tracked)
            raise
    if not command.replayable:
        await ledger.forget(ctx.pool, running)
        return answer
    await ledger.finish(
        ctx.pool,
        running,
        status,
        answer.body,
        answer.submission,
        RunEnd(
            account_version=answer.account_version, steps=steps, outcome=answer.outcome if command.tracked else None
        ),
    )
    return answer


def failure_of(error: BaseException, told: Told) -> RunFailure:
    """Tell what the customer learns of an error, and what it means for the effect of the command."""
    known = error if isinstance(error, PortalError) else OutcomeUnknown("portal", "", type(error).__name__)
    effect: Effect = "unknown" if isinstance(known, OutcomeUnknown) else "not_done"
    if isinstance(known, REFUSALS):
        effect = "refused"
    said = told(known)
    return RunFailure(
        code=said.code,
        sentence=said.detail,
        effect=effect,
        retry_after_seconds=said.told_seconds,
    )
