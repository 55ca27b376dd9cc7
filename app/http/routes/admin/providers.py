"""How WHM and Freebit follow billing, for operators."""

from typing import Annotated
from uuid import UUID

from litestar import Response, get, post
from litestar.params import JSONBody, PathParameter, QueryParameter
from msgspec import Meta, Struct

from app.commands.providers import repair as repairs
from app.commands.providers.journal import ProvidedService
from app.errors import NotFound
from app.http.answering.handler_types import AppContext, Caller, answers
from app.http.answering.query_response import unstored
from app.http.policies.policy import OPERATOR, Policy
from app.http.routes.admin.projections import operator_of
from app.inputs.numbers import Digits
from app.queries.provider_drift import DriftReport, drift

MOST = 100


class Repair(Struct, forbid_unknown_fields=True):
    """The subscriptions to repair."""

    subscription_ids: Annotated[list[Annotated[Digits, Meta(max_length=20)]], Meta(min_length=1, max_length=MOST)]


class Repaired(Struct, frozen=True):
    """The subscriptions that the worker looks at now: those of the named ones that the portal provisioned."""

    repaired: list[str]
    """The subscriptions that are looked at now."""


@get(
    "/api/admin/providers/drift",
    policy=Policy(roles=OPERATOR, asks_upstream=True),
    operation_id="listProviderDrift",
    summary="Services whose provider differs from billing",
    tags=["Operators"],
    responses=answers(DriftReport, "The differences, as of the last read of each provider."),
)
async def list_drift(
    context: AppContext,
    account_id: Annotated[UUID | None, QueryParameter(description="Only the services of this account.")] = None,
) -> Response[bytes]:
    """Services that the portal provisioned and whose provider differs from what billing says. Calls no provider."""
    return unstored(await drift(context.pool, account_id))


@post(
    "/api/admin/providers/repair",
    policy=Policy(roles=OPERATOR, asks_upstream=True),
    status_code=200,
    operation_id="repairProvider",
    summary="Let providers follow billing again",
    tags=["Operators"],
    responses=answers(Repaired, "The services that are looked at now."),
)
async def repair(actor: Caller, context: AppContext, data: JSONBody[Repair]) -> Response[bytes]:
    """Have a worker compare these services with billing and carry out what billing says. Safe to repeat.

    Suspensions of others stay, and nothing is removed before its grace ends.
    """
    done = await repairs.repair(context, operator_of(actor), list(data.subscription_ids))
    return unstored(Repaired(done))


@get(
    "/api/admin/providers/{subscription_id:str}",
    policy=Policy(roles=OPERATOR, asks_upstream=True, problems=(NotFound,)),
    operation_id="getProvidedService",
    summary="How the provider of a service follows billing",
    tags=["Operators"],
    responses=answers(ProvidedService, "What billing wants, what the provider confirmed, and what is waited for."),
)
async def get_provided_service(
    context: AppContext,
    subscription_id: Annotated[str, PathParameter(max_length=20, description="WHMCS's id of the service.")],
) -> Response[bytes]:
    """The journal of a service that the portal provisioned."""
    return unstored(await repairs.provided_service(context, subscription_id))


ROUTES = (list_drift, repair, get_provided_service)
