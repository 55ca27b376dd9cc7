"""Dunning, for operators: unpaid invoices on their way to suspension, and holds."""

from datetime import date
from typing import Annotated

from litestar import Response, get, post
from litestar.params import JSONBody, PathParameter, QueryParameter
from msgspec import Meta, Struct

from app.commands.dunning import grace
from app.commands.dunning.grace import SuspensionPermit
from app.commands.dunning.staff import holds, overview
from app.commands.dunning.staff.holds import Hold, HoldTarget
from app.commands.dunning.staff.overview import DunnedInvoice, DunningCounts, DunningStory, JournalState
from app.commands.dunning.staff.terms import DunningTerms, terms
from app.commands.execution.context import Context
from app.errors import Conflict, NotFound, RuleViolated
from app.http.answering.handler_types import AppContext, Caller, answers
from app.http.answering.query_response import unstored
from app.http.policies.policy import OPERATOR, Policy
from app.http.routes.admin.projections import operator_of
from app.inputs.text import Line

InvoiceNumber = Annotated[int, PathParameter(ge=1, le=2**53, description="WHMCS's id of the invoice.")]
Reason = Annotated[Line, Meta(min_length=1, max_length=255)]
READ = Policy(roles=OPERATOR, asks_upstream=True, problems=(NotFound,))


class DunningList(Struct, frozen=True):
    """Invoices in dunning, and counts of all open ones."""

    items: list[DunnedInvoice]
    counts: DunningCounts


class PlaceHold(Struct, forbid_unknown_fields=True):
    """A hold.

    Attributes:
        until: its last day; null to stop dunning for good, which forgives nothing of the debt.
        reason: kept in the audit log, and not shown to the customer.
        whole_account: hold every invoice of the account that has this one.
    """

    until: date | None
    """The last day of it; null for one without an end."""
    reason: Reason
    """Why it is placed; the audit log keeps it."""
    whole_account: bool = False


class LiftHold(Struct, forbid_unknown_fields=True):
    """The reason, which the audit log keeps; `whole_account` lifts the hold of the account that has the invoice."""

    reason: Reason
    """Why it is lifted; the audit log keeps it."""
    whole_account: bool = False


class LiftedHolds(Struct, frozen=True):
    """The holds that were lifted."""

    items: list[Hold]


@get(
    "/api/admin/dunning",
    policy=Policy(roles=OPERATOR, asks_upstream=True),
    operation_id="listDunning",
    summary="Unpaid invoices on their way to suspension",
    tags=["Operators"],
    responses=answers(DunningList, "Invoices with attempts, next date and day of suspension."),
)
async def list_dunning(
    context: AppContext,
    in_state: Annotated[
        JournalState | None, QueryParameter(description="By default all whose dunning has not ended.")
    ] = None,
    limit: Annotated[int, QueryParameter(ge=1, le=overview.MOST)] = 100,
) -> Response[bytes]:
    """Unpaid invoices that the portal charges again and suspends services for, the first to be suspended in front."""
    pool, settings = context.pool, context.settings
    listed = await overview.listed(pool, settings, in_state, limit)
    return unstored(DunningList(listed, await overview.counts(pool, settings)))


@get(
    "/api/admin/dunning/policy",
    policy=Policy(roles=OPERATOR, asks_upstream=True),
    operation_id="getDunningPolicy",
    summary="The policy of dunning",
    tags=["Operators"],
    responses=answers(DunningTerms, "Days, exceptions, who automates what, and the bound of a day."),
)
async def get_policy(context: AppContext) -> Response[bytes]:
    """When charges are repeated, how long the grace is, for whom it differs, and whether the bound stopped a run."""
    return unstored(await terms(context.pool, context.settings))


@get(
    "/api/admin/dunning/{invoice_id:int}",
    policy=READ,
    operation_id="getDunning",
    summary="One invoice's dunning",
    tags=["Operators"],
    responses=answers(DunningStory, "Every step, hold and suspension."),
)
async def get_dunning(context: AppContext, invoice_id: InvoiceNumber) -> Response[bytes]:
    """Every step of an invoice's dunning as the customer was told, its holds, and what it suspended."""
    return unstored(await overview.one(context.pool, context.settings, invoice_id))


@post(
    "/api/admin/dunning/{invoice_id:int}/hold",
    policy=Policy(roles=OPERATOR, asks_upstream=True, problems=(NotFound, RuleViolated)),
    status_code=200,
    operation_id="holdDunning",
    summary="Pause an invoice's dunning",
    tags=["Operators"],
    responses=answers(Hold, "The hold."),
)
async def hold(
    actor: Caller, context: AppContext, invoice_id: InvoiceNumber, data: JSONBody[PlaceHold]
) -> Response[bytes]:
    """Neither charge the invoice nor suspend anything for it up to and including a day, or for good. What dunning
    suspended comes back within seconds. Replaces an earlier hold."""
    target, operator = await _target(context, invoice_id, data.whole_account), operator_of(actor)
    if data.until is None:
        return unstored(await holds.forgive(context, operator, target, data.reason))
    return unstored(await holds.hold(context, operator, target, data.reason, data.until))


@post(
    "/api/admin/dunning/{invoice_id:int}/lift",
    policy=READ,
    status_code=200,
    operation_id="liftDunningHold",
    summary="Let an invoice's dunning go on",
    tags=["Operators"],
    responses=answers(LiftedHolds, "The holds that were lifted."),
)
async def lift(
    actor: Caller, context: AppContext, invoice_id: InvoiceNumber, data: JSONBody[LiftHold]
) -> Response[bytes]:
    """Lift the hold of an invoice, also one for good: dunning goes on where it stopped. One of the account stays."""
    target = await _target(context, invoice_id, data.whole_account)
    return unstored(LiftedHolds(await holds.lift(context, operator_of(actor), target, data.reason)))


class PermitSuspensions(Struct, forbid_unknown_fields=True):
    """How many accounts may be suspended today, and why; the audit log keeps the reason."""

    accounts: Annotated[int, Meta(ge=1, le=1_000_000)]
    reason: Reason


@post(
    "/api/admin/dunning/permit",
    policy=Policy(roles=OPERATOR, asks_upstream=True, problems=(NotFound, Conflict)),
    status_code=200,
    operation_id="permitSuspensions",
    summary="Permit more suspensions today",
    tags=["Operators"],
    responses=answers(SuspensionPermit, "The permission, and the day that it is for."),
)
async def permit(actor: Caller, context: AppContext, data: JSONBody[PermitSuspensions]) -> Response[bytes]:
    """Permit up to so many accounts to be suspended today, where more are due than one day may suspend. A process runs
    the job `suspension` within a second. Look first at its dry run, and at `stopped` of the policy of dunning."""
    return unstored(await grace.permit_today(context, operator_of(actor), data.accounts, data.reason))


async def _target(context: Context, invoice_id: int, whole_account: bool) -> HoldTarget:
    target = await holds.target_of_invoice(context.pool, invoice_id)
    return HoldTarget(target.account_id) if whole_account else target


ROUTES = (list_dunning, get_policy, get_dunning, hold, lift, permit)
