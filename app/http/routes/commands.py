"""The state of commands."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from litestar import Response, get
from litestar.params import PathParameter
from msgspec import Struct

from app.commands.execution import ledger
from app.errors import NotFound
from app.http.answering.command_response import scope_of
from app.http.answering.handler_types import AppContext, Caller, answers
from app.http.answering.query_response import consistency_token, unstored
from app.http.policies.policy import SIGNED_IN, Policy


class CommandStatus(Struct, frozen=True, kw_only=True):
    """The state of a command. A failed command may be sent again under the same key.

    `status` is the HTTP status of its answer. With `consistency_token` a query waits until the command's effect is
    visible.
    """

    command_id: UUID
    name: str
    state: Literal["running", "done", "failed"]
    status: int | None
    started_at: datetime
    finished_at: datetime | None
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
    actor: Caller,
    context: AppContext,
    command_id: Annotated[str, PathParameter(max_length=200, description="Its Command-Id or its Idempotency-Key.")],
) -> Response[bytes]:
    """The state of one of your own commands of the last 24 hours that was sent with an `Idempotency-Key`. Use it when
    the answer was lost."""
    state = await ledger.state(context.pool, scope_of(actor), command_id)
    known = state.submission is not None and actor.account_id is not None
    body = CommandStatus(
        **{name: getattr(state, name) for name in CommandStatus.__struct_fields__[:-1]},
        consistency_token=consistency_token(context.settings, actor.account_id, state.submission or 0)
        if known
        else None,
    )
    return unstored(body)


ROUTES = (command_state,)
