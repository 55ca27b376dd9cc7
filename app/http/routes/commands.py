"""The state of commands."""

from collections import Counter
from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from litestar import Response, get
from litestar.params import PathParameter
from msgspec import Struct, structs

from app.commands.execution import progress
from app.commands.execution.progress import CommandState
from app.errors import NotFound
from app.http.answering.command_response import scope_of
from app.http.answering.handler_types import AnyRequest, AppContext, Caller, answers
from app.http.answering.query_response import consistency_token, unstored
from app.http.policies.policy import SIGNED_IN, Policy
from app.ingest.versions.notices import Outcome
from app.queries.reading.pending_writes import Reason


class CommandStep(Struct, frozen=True, kw_only=True):
    """One attempt of one call of an upstream. `error_code` is null if it was answered."""

    upstream: str
    operation: str
    """The name of the call."""
    attempt: int
    at: datetime
    error_code: str | None


class CommandStatus(Struct, frozen=True, kw_only=True):
    """The state of a command. A failed command may be sent again under the same key.

    Attributes:
        state: `queued` while it waits for a system that is away; it is run without being sent again.
        status: the HTTP status of its answer.
        attempts: how often it was sent under this key and had to be run.
        steps: the calls of upstreams that were made for it, in order; those of a run are recorded when it ends.
        reason: why it failed, or why its write was rejected.
        next_try_at: when sending it again makes sense; for one that is done, when its effect is looked for again.
        outcome: how it ended, as `command.settled` tells it. Null while it runs, and until its effect shows.
        settled_version: the version of the account from which the outcome holds.
        consistency_token: with it a query waits until the effect is visible.
    """

    command_id: UUID
    name: str
    state: Literal["running", "queued", "done", "failed"]
    """Whether it runs, waits for a system that is away, is done, or has failed."""
    status: int | None
    started_at: datetime
    finished_at: datetime | None
    attempts: int
    steps: list[CommandStep]
    reason: Reason | None
    next_try_at: datetime | None
    outcome: Outcome | None
    settled_version: int | None
    consistency_token: str | None


@get(
    "/api/commands/{command_id:str}",
    policy=Policy(roles=SIGNED_IN, problems=(NotFound,)),
    operation_id="getCommand",
    summary="What became of a command",
    tags=["Commands"],
    responses=answers(CommandStatus, "The state of the command."),
)
async def command_state(
    request: AnyRequest,
    actor: Caller,
    context: AppContext,
    command_id: Annotated[str, PathParameter(max_length=200, description="Its Command-Id or its Idempotency-Key.")],
) -> Response[bytes]:
    """The state of one of your own commands of the last 24 hours, by its `Command-Id` or its `Idempotency-Key`. Use it
    when the answer was lost, or was a 503."""
    state = await progress.state(context.pool, scope_of(actor), command_id)
    token = None
    if state.submission is not None and actor.account_id is not None:
        token = consistency_token(context.settings, actor.account_id, state.submission)
    same = {name: getattr(state, name) for name in CommandStatus.__struct_fields__ if hasattr(state, name)}
    reason = Reason(state.error_code, state.error or "", state.error_phrases) if state.error_code else None
    body = CommandStatus(**{**same, "steps": _steps(state)}, reason=reason, consistency_token=token)
    return unstored(body, request=request)


def _steps(state: CommandState) -> list[CommandStep]:
    """Number the attempts of each call, over all runs of the command."""
    made: Counter[tuple[str, str]] = Counter()
    steps = []
    for call in state.steps:
        made[call.upstream, call.operation] += 1
        attempt = made[call.upstream, call.operation]
        steps.append(CommandStep(**structs.asdict(call), attempt=attempt))
    return steps


ROUTES = (command_state,)
