"""The provisioning queue, for operators."""

from typing import Annotated, Literal

from litestar import Response, get, post
from litestar.params import JSONBody, PathParameter, QueryParameter
from msgspec import Meta, Struct

from app.commands.fulfilment import decide, overview
from app.commands.fulfilment.overview import Count, Fulfilment, FulfilmentStory
from app.errors import NotFound
from app.http.answering.handler_types import AppContext, Caller, answers
from app.http.answering.query_response import unstored
from app.http.policies.policy import OPERATOR, Policy
from app.http.routes.admin.projections import operator_of
from app.inputs.text import Line

FulfilmentState = Literal["running", "paused", "failed", "done", "cancelled"]
OrderId = Annotated[str, PathParameter(max_length=18, description="Salesforce's id of the order.")]


class Fulfilments(Struct, frozen=True):
    """The queue, and how many there are of each kind."""

    items: list[Fulfilment]
    counts: list[Count]


class SkipSteps(Struct, forbid_unknown_fields=True):
    """Why; it stands in the audit log."""

    reason: Annotated[Line, Meta(min_length=1, max_length=255)]


class CancelFulfilment(Struct, forbid_unknown_fields=True):
    """Why; it stands in the audit log and on the order in Salesforce."""

    reason: Annotated[Line, Meta(min_length=1, max_length=255)]


@get(
    "/api/admin/fulfilments",
    policy=Policy(roles=OPERATOR, asks_upstream=True),
    summary="The provisioning queue",
    tags=["Operators"],
    responses=answers(Fulfilments, "Orders with step, attempt, age and error."),
)
async def list_fulfilments(
    context: AppContext,
    in_state: Annotated[
        FulfilmentState | None,
        QueryParameter(description="Left out: all that are not over, or active and not all set up."),
    ] = None,
    limit: Annotated[int, QueryParameter(ge=1, le=overview.MOST)] = 100,
) -> Response[bytes]:
    """The oldest first; those of one state the latest first."""
    return unstored(
        Fulfilments(await overview.listed(context.pool, in_state, limit), await overview.counts(context.pool))
    )


@get(
    "/api/admin/fulfilments/{order_id:str}",
    policy=Policy(roles=OPERATOR, asks_upstream=True, problems=(NotFound,)),
    summary="One order's fulfilment",
    tags=["Operators"],
    responses=answers(FulfilmentStory, "Everything that was tried."),
)
async def get_fulfilment(context: AppContext, order_id: OrderId) -> Response[bytes]:
    """Every step, attempt and outcome, with the upstream ids learned on the way; what is set up after activation."""
    return unstored(await overview.one(context.pool, order_id))


@post(
    "/api/admin/fulfilments/{order_id:str}/retry",
    policy=Policy(roles=OPERATOR, asks_upstream=True, problems=(NotFound,)),
    status_code=200,
    summary="Try a fulfilment again",
    tags=["Operators"],
    responses=answers(FulfilmentStory, "It is tried again."),
)
async def retry(
    actor: Caller,
    context: AppContext,
    order_id: OrderId,
    force: Annotated[bool, QueryParameter(description="Go on without a payment method on file.")] = False,
) -> Response[bytes]:
    """At once, with fresh attempts; steps that are done stay done. Of an active order, what is not set up yet. Safe to
    repeat."""
    return unstored(await decide.retry(context, operator_of(actor), order_id, force=force))


@post(
    "/api/admin/fulfilments/{order_id:str}/cancel",
    policy=Policy(roles=OPERATOR, asks_upstream=True, problems=(NotFound,)),
    status_code=200,
    summary="Cancel a fulfilment",
    tags=["Operators"],
    responses=answers(FulfilmentStory, "What was done is undone."),
)
async def cancel(
    actor: Caller, context: AppContext, order_id: OrderId, data: JSONBody[CancelFulfilment]
) -> Response[bytes]:
    """Undoes hosting and billing, and says so in Salesforce. Not once Freebit was asked for a line."""
    return unstored(await decide.cancel(context, operator_of(actor), order_id, data.reason))


@post(
    "/api/admin/fulfilments/{order_id:str}/skip",
    policy=Policy(roles=OPERATOR, asks_upstream=True, problems=(NotFound,)),
    status_code=200,
    summary="Skip what is not set up after activation",
    tags=["Operators"],
    responses=answers(FulfilmentStory, "It is left as it is."),
)
async def skip(actor: Caller, context: AppContext, order_id: OrderId, data: JSONBody[SkipSteps]) -> Response[bytes]:
    """Steps of an active order that failed or wait are not tried again."""
    return unstored(await decide.skip(context, operator_of(actor), order_id, data.reason))


ROUTES = (list_fulfilments, get_fulfilment, retry, cancel, skip)
