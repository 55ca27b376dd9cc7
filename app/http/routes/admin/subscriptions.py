"""Running services and changes of plan, for operators."""

from typing import Annotated
from uuid import UUID

from litestar import Response, get, post
from litestar.params import FromPath, JSONBody, PathParameter, QueryParameter
from msgspec import Meta, Struct

from app.commands.subscriptions import staff, suspension
from app.commands.subscriptions.plan_changes import journal, scheduled_lists
from app.commands.subscriptions.plan_changes.journal import PlanChange
from app.commands.subscriptions.plan_changes.scheduled import ScheduledPlanChange
from app.commands.subscriptions.service import noted
from app.commands.subscriptions.staff_view import ServiceView, story
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
    """Why; the customer's sentence depends on it: with `overdue` or `payment` in it, it tells of the open invoice."""

    reason: Annotated[Line, Meta(min_length=1, max_length=255)]


class Termination(Struct, forbid_unknown_fields=True):
    """Why, and the subscription's id once more: there is no way back."""

    reason: Annotated[Line, Meta(min_length=1, max_length=255)]
    confirm: Annotated[Digits, Meta(max_length=20)]


class Reissue(Struct, forbid_unknown_fields=True):
    """The other phone."""

    eid: Annotated[Eid, Meta(max_length=100)]


class PlanChanges(Struct, frozen=True):
    """Those under way and those that failed, the oldest first."""

    items: list[PlanChange]


class PlannedChanges(Struct, frozen=True):
    """Those refused in the last 30 days, the latest first, then those that wait, in the order of their days."""

    items: list[ScheduledPlanChange]


@get(
    "/api/admin/subscriptions/{subscription_id:str}",
    policy=Policy(roles=OPERATOR, asks_upstream=True, problems=(NotFound,)),
    summary="One service",
    tags=["Operators"],
    responses=answers(ServiceView, "Whose it is, how it is, every change of plan, and those planned."),
)
async def get_service(context: AppContext, subscription_id: SubscriptionId) -> Response[bytes]:
    """As the read model has it."""
    return unstored(await story(context, subscription_id))


@post(
    "/api/admin/subscriptions/{subscription_id:str}/usage",
    policy=Policy(roles=OPERATOR, asks_upstream=True, problems=(NotFound,)),
    status_code=200,
    summary="What a service uses",
    tags=["Operators"],
    responses=answers(Usage, "What Freebit or WHM say now."),
)
async def usage(context: AppContext, subscription_id: SubscriptionId) -> Response[bytes]:
    """Asked of the provider now."""
    return unstored(await usage_of(context, await noted(context, subscription_id)))


@post(
    "/api/admin/subscriptions/{subscription_id:str}/suspend",
    policy=Policy(roles=OPERATOR, asks_upstream=True, problems=(NotFound,)),
    status_code=200,
    summary="Suspend web hosting",
    tags=["Operators"],
    responses=answers(ServiceView, "Suspended."),
)
async def suspend(
    actor: Caller, context: AppContext, subscription_id: SubscriptionId, data: JSONBody[Suspension]
) -> Response[bytes]:
    """On the server and in billing. Safe to repeat."""
    return unstored(await suspension.suspend(context, operator_of(actor), subscription_id, data.reason))


@post(
    "/api/admin/subscriptions/{subscription_id:str}/unsuspend",
    policy=Policy(roles=OPERATOR, asks_upstream=True, problems=(NotFound,)),
    status_code=200,
    summary="Lift a suspension",
    tags=["Operators"],
    responses=answers(ServiceView, "Active again."),
)
async def unsuspend(actor: Caller, context: AppContext, subscription_id: SubscriptionId) -> Response[bytes]:
    """On the server and in billing. Safe to repeat."""
    return unstored(await suspension.unsuspend(context, operator_of(actor), subscription_id))


@post(
    "/api/admin/subscriptions/{subscription_id:str}/terminate",
    policy=Policy(roles=OPERATOR, asks_upstream=True, problems=(NotFound,)),
    status_code=200,
    summary="End a service for good",
    tags=["Operators"],
    responses=answers(ServiceView, "Ended."),
)
async def terminate(
    actor: Caller, context: AppContext, subscription_id: SubscriptionId, data: JSONBody[Termination]
) -> Response[bytes]:
    """Ends the line, which loses its number, or removes the hosting account with everything in it. No way back."""
    if data.confirm != subscription_id:
        sentence = "Repeat the subscription's id in confirm: what is ended is lost."
        raise InvalidRequest(sentence, errors=[Violation("confirm", "invalid_value", sentence)])
    return unstored(await staff.terminate(context, operator_of(actor), subscription_id, data.reason))


@post(
    "/api/admin/subscriptions/{subscription_id:str}/sync-plan",
    policy=Policy(roles=OPERATOR, asks_upstream=True, problems=(NotFound,)),
    status_code=200,
    summary="Give a service the plan that is billed",
    tags=["Operators"],
    responses=answers(ServiceView, "The provider was told, or had it."),
)
async def sync_plan(actor: Caller, context: AppContext, subscription_id: SubscriptionId) -> Response[bytes]:
    """The line's plan or the account's package. Looks first."""
    return unstored(await staff.sync_plan(context, operator_of(actor), subscription_id))


@post(
    "/api/admin/subscriptions/{subscription_id:str}/reissue",
    policy=Policy(roles=OPERATOR, asks_upstream=True, problems=(NotFound,)),
    status_code=200,
    summary="Issue an eSIM for another phone",
    tags=["Operators"],
    responses=answers(ServiceView, "Asked for."),
)
async def reissue(
    actor: Caller, context: AppContext, subscription_id: SubscriptionId, data: JSONBody[Reissue]
) -> Response[bytes]:
    """The old profile ends; the line is out of service until the new one is loaded."""
    return unstored(await staff.reissue(context, operator_of(actor), subscription_id, data.eid))


@get(
    "/api/admin/plan-changes",
    policy=Policy(roles=OPERATOR, asks_upstream=True),
    summary="Changes of plan under way",
    tags=["Operators"],
    responses=answers(PlanChanges, "With state, attempts and error."),
)
async def list_plan_changes(
    context: AppContext, limit: Annotated[int, QueryParameter(ge=1, le=MOST)] = 100
) -> Response[bytes]:
    """Those that failed need staff: mend the cause, then try again."""
    return unstored(PlanChanges(await journal.listed(context.pool, limit)))


@post(
    "/api/admin/plan-changes/{change_id:uuid}/retry",
    policy=Policy(roles=OPERATOR, asks_upstream=True, problems=(NotFound,)),
    status_code=200,
    summary="Try a change of plan again",
    tags=["Operators"],
    responses=answers(PlanChange, "It is tried again."),
)
async def retry(actor: Caller, context: AppContext, change_id: FromPath[UUID]) -> Response[bytes]:
    """Within seconds, with fresh attempts."""
    return unstored(await staff.retry(context, operator_of(actor), change_id))


@get(
    "/api/admin/scheduled-changes",
    policy=Policy(roles=OPERATOR, asks_upstream=True),
    summary="Changes of plan for days to come",
    tags=["Operators"],
    responses=answers(PlannedChanges, "With state, attempts and error."),
)
async def list_scheduled_changes(
    context: AppContext, limit: Annotated[int, QueryParameter(ge=1, le=MOST)] = 100
) -> Response[bytes]:
    """Those that were refused have been told to their customers, who may choose again."""
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
