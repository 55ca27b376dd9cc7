"""Services and changes of plan, for operators."""

from typing import Annotated
from uuid import UUID

from litestar import Response, get, post
from litestar.params import FromPath, JSONBody, PathParameter, QueryParameter
from msgspec import Meta, Struct

from app.commands.subscriptions import staff, suspension
from app.commands.subscriptions.plan_changes import journal, scheduled_lists
from app.commands.subscriptions.plan_changes.journal import PlanChange
from app.commands.subscriptions.plan_changes.scheduled import ScheduledPlanChange
from app.commands.subscriptions.service import find_any
from app.commands.subscriptions.staff_view import ServiceView, view_of
from app.commands.subscriptions.usage import Usage, usage_of
from app.errors import InvalidRequest, NotFound, Violation
from app.http.answering.handler_types import AppContext, Caller, answers
from app.http.answering.query_response import unstored
from app.http.policies.policy import OPERATOR, Policy
from app.http.routes.admin.projections import operator_of
from app.inputs.numbers import Digits, Eid
from app.inputs.text import Line

MOST = 500
SubscriptionId = Annotated[str, PathParameter(max_length=20, description="WHMCS's id of the service.")]


class Suspension(Struct, forbid_unknown_fields=True):
    """The reason. With `overdue` or `payment` in it, the sentence for the customer mentions the open invoice."""

    reason: Annotated[Line, Meta(min_length=1, max_length=255)]


class Termination(Struct, forbid_unknown_fields=True):
    """The reason, and the subscription's id as confirmation: termination cannot be undone."""

    reason: Annotated[Line, Meta(min_length=1, max_length=255)]
    confirm: Annotated[Digits, Meta(max_length=20)]
    """The id of the subscription, as confirmation."""


class Reissue(Struct, forbid_unknown_fields=True):
    """The EID of the new phone."""

    eid: Annotated[Eid, Meta(max_length=100)]
    """The EID of the new phone."""


class PlanChanges(Struct, frozen=True):
    """Running and failed changes, the oldest first."""

    items: list[PlanChange]


class PlannedChanges(Struct, frozen=True):
    """Changes refused in the last 30 days, the latest first, then the scheduled ones by date."""

    items: list[ScheduledPlanChange]


@get(
    "/api/admin/subscriptions/{subscription_id:str}",
    policy=Policy(roles=OPERATOR, asks_upstream=True, problems=(NotFound,)),
    operation_id="getService",
    summary="One service",
    tags=["Operators"],
    responses=answers(ServiceView, "Owner, state, changes of plan made and scheduled."),
)
async def get_service(context: AppContext, subscription_id: SubscriptionId) -> Response[bytes]:
    """A service from the read model, with its owner, state and changes of plan."""
    return unstored(await view_of(context, subscription_id))


@post(
    "/api/admin/subscriptions/{subscription_id:str}/usage",
    policy=Policy(roles=OPERATOR, asks_upstream=True, problems=(NotFound,)),
    status_code=200,
    operation_id="readServiceUsage",
    summary="What a service uses",
    tags=["Operators"],
    responses=answers(Usage, "The usage as Freebit or WHM report it now."),
)
async def usage(context: AppContext, subscription_id: SubscriptionId) -> Response[bytes]:
    """The usage of a service, read live from its provider."""
    return unstored(await usage_of(context, await find_any(context, subscription_id)))


@post(
    "/api/admin/subscriptions/{subscription_id:str}/suspend",
    policy=Policy(roles=OPERATOR, asks_upstream=True, problems=(NotFound,)),
    status_code=200,
    operation_id="suspendService",
    summary="Suspend web hosting",
    tags=["Operators"],
    responses=answers(ServiceView, "The suspended service."),
)
async def suspend(
    actor: Caller, context: AppContext, subscription_id: SubscriptionId, data: JSONBody[Suspension]
) -> Response[bytes]:
    """Suspend web hosting on the server and in billing. Safe to repeat."""
    return unstored(await suspension.suspend(context, operator_of(actor), subscription_id, data.reason))


@post(
    "/api/admin/subscriptions/{subscription_id:str}/unsuspend",
    policy=Policy(roles=OPERATOR, asks_upstream=True, problems=(NotFound,)),
    status_code=200,
    operation_id="unsuspendService",
    summary="Lift a suspension",
    tags=["Operators"],
    responses=answers(ServiceView, "The active service."),
)
async def unsuspend(actor: Caller, context: AppContext, subscription_id: SubscriptionId) -> Response[bytes]:
    """Lift the suspension on the server and in billing. Safe to repeat."""
    return unstored(await suspension.unsuspend(context, operator_of(actor), subscription_id))


@post(
    "/api/admin/subscriptions/{subscription_id:str}/terminate",
    policy=Policy(roles=OPERATOR, asks_upstream=True, problems=(NotFound,)),
    status_code=200,
    operation_id="terminateService",
    summary="End a service for good",
    tags=["Operators"],
    responses=answers(ServiceView, "The terminated service."),
)
async def terminate(
    actor: Caller, context: AppContext, subscription_id: SubscriptionId, data: JSONBody[Termination]
) -> Response[bytes]:
    """Terminate a line, which loses its number, or remove a hosting account with all its data. Cannot be undone."""
    if data.confirm != subscription_id:
        sentence = "Repeat the subscription's id in confirm: a terminated service cannot be restored."
        raise InvalidRequest(sentence, errors=[Violation("confirm", "invalid_value", sentence)])
    return unstored(await staff.terminate(context, operator_of(actor), subscription_id, data.reason))


@post(
    "/api/admin/subscriptions/{subscription_id:str}/sync-plan",
    policy=Policy(roles=OPERATOR, asks_upstream=True, problems=(NotFound,)),
    status_code=200,
    operation_id="syncServicePlan",
    summary="Give a service the plan that is billed",
    tags=["Operators"],
    responses=answers(ServiceView, "The service, whose provider has the billed plan."),
)
async def sync_plan(actor: Caller, context: AppContext, subscription_id: SubscriptionId) -> Response[bytes]:
    """Set the billed plan on the line or the hosting account, unless the provider already has it."""
    return unstored(await staff.sync_plan(context, operator_of(actor), subscription_id))


@post(
    "/api/admin/subscriptions/{subscription_id:str}/reissue",
    policy=Policy(roles=OPERATOR, asks_upstream=True, problems=(NotFound,)),
    status_code=200,
    operation_id="reissueSim",
    summary="Issue an eSIM for another phone",
    tags=["Operators"],
    responses=answers(ServiceView, "The service, for which a new eSIM was requested."),
)
async def reissue(
    actor: Caller, context: AppContext, subscription_id: SubscriptionId, data: JSONBody[Reissue]
) -> Response[bytes]:
    """Issue an eSIM for another phone. The old profile ends; the line is out of service until the new one is
    installed."""
    return unstored(await staff.reissue(context, operator_of(actor), subscription_id, data.eid))


@get(
    "/api/admin/plan-changes",
    policy=Policy(roles=OPERATOR, asks_upstream=True),
    operation_id="listPlanChanges",
    summary="Changes of plan under way",
    tags=["Operators"],
    responses=answers(PlanChanges, "The changes with state, attempts and error."),
)
async def list_plan_changes(
    context: AppContext, limit: Annotated[int, QueryParameter(ge=1, le=MOST)] = 100
) -> Response[bytes]:
    """Running and failed changes of plan. Staff resolve the cause of a failed one and retry it."""
    return unstored(PlanChanges(await journal.listed(context.pool, limit)))


@post(
    "/api/admin/plan-changes/{change_id:uuid}/retry",
    policy=Policy(roles=OPERATOR, asks_upstream=True, problems=(NotFound,)),
    status_code=200,
    operation_id="retryPlanChange",
    summary="Try a change of plan again",
    tags=["Operators"],
    responses=answers(PlanChange, "The change, which is tried again."),
)
async def retry(actor: Caller, context: AppContext, change_id: FromPath[UUID]) -> Response[bytes]:
    """Retry a failed change of plan within seconds, with fresh attempts."""
    return unstored(await staff.retry(context, operator_of(actor), change_id))


@get(
    "/api/admin/scheduled-changes",
    policy=Policy(roles=OPERATOR, asks_upstream=True),
    operation_id="listScheduledChanges",
    summary="Changes of plan for days to come",
    tags=["Operators"],
    responses=answers(PlannedChanges, "The changes with state, attempts and error."),
)
async def list_scheduled_changes(
    context: AppContext, limit: Annotated[int, QueryParameter(ge=1, le=MOST)] = 100
) -> Response[bytes]:
    """Scheduled and recently refused changes of plan. Customers were notified of refused ones and may choose again."""
    return unstored(PlannedChanges(await scheduled_lists.listed(context.pool, limit)))


ROUTES = (
    get_service,
    usage,
    suspend,
    unsuspend,
    terminate,
    sync_plan,
    reissue,
    list_plan_changes,
    retry,
    list_scheduled_changes,
)
