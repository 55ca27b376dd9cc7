"""The provisioning queue, for operators."""

from typing import Annotated, Literal

from litestar import Response, get, post
from litestar.params import JSONBody, PathParameter, QueryParameter
from msgspec import Meta, Struct

from app.commands.fulfilment import decide, overview
from app.commands.fulfilment.overview import Count, Fulfilment, FulfilmentDetail
from app.errors import NotFound
from app.http.answering.handler_types import AppContext, Caller, answers
from app.http.answering.query_response import unstored
from app.http.policies.policy import OPERATOR, Policy
from app.http.routes.admin.projections import operator_of
from app.inputs.text import Line

FulfilmentState = Literal["running", "paused", "failed", "done", "cancelled"]
OrderId = Annotated[str, PathParameter(max_length=18, description="Salesforce's id of the order.")]


class Fulfilments(Struct, frozen=True):
    """The queue, with counts by state and error."""

    items: list[Fulfilment]
    counts: list[Count]


class SkipSteps(Struct, forbid_unknown_fields=True):
    """The reason, which the audit log keeps."""

    reason: Annotated[Line, Meta(min_length=1, max_length=255)]


class CancelFulfilment(Struct, forbid_unknown_fields=True):
    """The reason, which the audit log and the order in Salesforce keep."""

    reason: Annotated[Line, Meta(min_length=1, max_length=255)]


@get(
    "/api/admin/fulfilments",
    policy=Policy(roles=OPERATOR, asks_upstream=True),
    operation_id="listFulfilments",
    summary="The provisioning queue",
    tags=["Operators"],
    responses=answers(Fulfilments, "Orders with step, attempt, age and error."),
)
async def list_fulfilments(
    context: AppContext,
    in_state: Annotated[
        FulfilmentState | None,
        QueryParameter(description="By default all that are unfinished, or active with provisioning steps left."),
    ] = None,
    limit: Annotated[int, QueryParameter(ge=1, le=overview.MOST)] = 100,
) -> Response[bytes]:
    """Orders in provisioning, the oldest first; with `in_state` the most recent first."""
    return unstored(
        Fulfilments(await overview.listed(context.pool, in_state, limit), await overview.counts(context.pool))
    )


@get(
    "/api/admin/fulfilments/{order_id:str}",
    policy=Policy(roles=OPERATOR, asks_upstream=True, problems=(NotFound,)),
    operation_id="getFulfilment",
    summary="One order's fulfilment",
    tags=["Operators"],
    responses=answers(FulfilmentDetail, "Every attempt."),
)
async def get_fulfilment(context: AppContext, order_id: OrderId) -> Response[bytes]:
    """Every step, attempt and outcome of an order, with the upstream ids and the steps after activation."""
    return unstored(await overview.one(context.pool, order_id))


@post(
    "/api/admin/fulfilments/{order_id:str}/retry",
    policy=Policy(roles=OPERATOR, asks_upstream=True, problems=(NotFound,)),
    status_code=200,
    operation_id="retryFulfilment",
    summary="Try a fulfilment again",
    tags=["Operators"],
    responses=answers(FulfilmentDetail, "The fulfilment, which is tried again."),
)
async def retry(
    actor: Caller,
    context: AppContext,
    order_id: OrderId,
    force: Annotated[bool, QueryParameter(description="Continue without a payment method on file.")] = False,
) -> Response[bytes]:
    """Retry at once with fresh attempts; finished steps stay finished. For an active order, retry the provisioning
    steps that are left. Safe to repeat."""
    return unstored(await decide.retry(context, operator_of(actor), order_id, force=force))


@post(
    "/api/admin/fulfilments/{order_id:str}/cancel",
    policy=Policy(roles=OPERATOR, asks_upstream=True, problems=(NotFound,)),
    status_code=200,
    operation_id="cancelFulfilment",
    summary="Cancel a fulfilment",
    tags=["Operators"],
    responses=answers(FulfilmentDetail, "The fulfilment, whose finished steps are undone."),
)
async def cancel(
    actor: Caller, context: AppContext, order_id: OrderId, data: JSONBody[CancelFulfilment]
) -> Response[bytes]:
    """Cancel the order in Salesforce, and undo billing, hosting and the line. A worker ends a line, which takes
    minutes: the order is `running` until then, and `paused` with `LINE_TO_CANCEL` where staff must. Cancelling such an
    order says that they have."""
    return unstored(await decide.cancel(context, operator_of(actor), order_id, data.reason))


@post(
    "/api/admin/fulfilments/{order_id:str}/skip",
    policy=Policy(roles=OPERATOR, asks_upstream=True, problems=(NotFound,)),
    status_code=200,
    operation_id="skipFulfilmentStep",
    summary="Skip what is not set up after activation",
    tags=["Operators"],
    responses=answers(FulfilmentDetail, "The fulfilment without the skipped steps."),
)
async def skip(actor: Caller, context: AppContext, order_id: OrderId, data: JSONBody[SkipSteps]) -> Response[bytes]:
    """Give up the failed and waiting provisioning steps of an active order."""
    return unstored(await decide.skip(context, operator_of(actor), order_id, data.reason))


ROUTES = (list_fulfilments, get_fulfilment, retry, cancel, skip)
