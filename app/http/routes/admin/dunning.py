"""Dunning, for operators: unpaid invoices on their way to suspension, and holds."""

from datetime import date
from typing import Annotated
from uuid import UUID

from litestar import Response, get, post
from litestar.params import JSONBody, PathParameter, QueryParameter
from msgspec import Meta, Struct

from app.commands.dunning.staff import holds, overview
from app.commands.dunning.staff.holds import Hold
from app.commands.dunning.staff.overview import DunnedInvoice, DunningCounts, DunningStory, JournalState
from app.commands.dunning.staff.terms import DunningTerms, terms
from app.errors import NotFound, RuleViolated
from app.http.answering.handler_types import AppContext, Caller, answers
from app.http.answering.query_response import unstored
from app.http.policies.policy import OPERATOR, Policy
from app.http.routes.admin.projections import operator_of
from app.inputs.text import Line

InvoiceNumber = Annotated[int, PathParameter(ge=1, le=2**53, description="WHMCS's id of the invoice.")]
Account = Annotated[UUID, PathParameter(description="The account.")]
Reason = Annotated[Line, Meta(min_length=1, max_length=255)]
READ = Policy(roles=OPERATOR, asks_upstream=True, problems=(NotFound,))
WRITE = Policy(roles=OPERATOR, asks_upstream=True, problems=(NotFound, RuleViolated))


class DunningList(Struct, frozen=True):
    """Invoices in dunning, and counts of all open ones."""

    items: list[DunnedInvoice]
    counts: DunningCounts


class PlaceHold(Struct, forbid_unknown_fields=True):
    """The last day of the hold, and the reason, which the audit log keeps."""

    until: date
    reason: Reason


class DunningReason(Struct, forbid_unknown_fields=True):
    """The reason, which the audit log keeps."""

    reason: Reason


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
    policy=WRITE,
    status_code=200,
    operation_id="holdDunning",
    summary="Pause an invoice's dunning",
    tags=["Operators"],
    responses=answers(Hold, "The hold."),
)
async def hold(
    actor: Caller, context: AppContext, invoice_id: InvoiceNumber, data: JSONBody[PlaceHold]
) -> Response[bytes]:
    """Neither charge the invoice nor suspend anything for it up to and including a day. Replaces an earlier hold.

    What dunning suspended comes back within seconds.
    """
    target = await holds.target_of_invoice(context.pool, invoice_id)
    return unstored(await holds.hold(context, operator_of(actor), target, data.reason, data.until))


@post(
    "/api/admin/dunning/{invoice_id:int}/forgive",
    policy=READ,
    status_code=200,
    operation_id="forgiveDunning",
    summary="Stop an invoice's dunning for good",
    tags=["Operators"],
    responses=answers(Hold, "The hold without an end."),
)
async def forgive(
    actor: Caller, context: AppContext, invoice_id: InvoiceNumber, data: JSONBody[DunningReason]
) -> Response[bytes]:
    """Neither charge the invoice nor suspend anything for it any more. What is owed stays owed. Safe to repeat."""
    target = await holds.target_of_invoice(context.pool, invoice_id)
    return unstored(await holds.forgive(context, operator_of(actor), target, data.reason))


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
    actor: Caller, context: AppContext, invoice_id: InvoiceNumber, data: JSONBody[DunningReason]
) -> Response[bytes]:
    """Lift the hold or the forgiveness of an invoice: dunning goes on where it stopped. One of the account stays."""
    target = await holds.target_of_invoice(context.pool, invoice_id)
    return unstored(LiftedHolds(await holds.lift(context, operator_of(actor), target, data.reason)))


@post(
    "/api/admin/dunning/accounts/{account_id:uuid}/hold",
    policy=WRITE,
    status_code=200,
    operation_id="holdAccountDunning",
    summary="Pause the dunning of an account",
    tags=["Operators"],
    responses=answers(Hold, "The hold."),
)
async def hold_account(
    actor: Caller, context: AppContext, account_id: Account, data: JSONBody[PlaceHold]
) -> Response[bytes]:
    """Neither charge any invoice of the account nor suspend anything up to and including a day."""
    target = await holds.target_of_account(context.pool, account_id)
    return unstored(await holds.hold(context, operator_of(actor), target, data.reason, data.until))


@post(
    "/api/admin/dunning/accounts/{account_id:uuid}/lift",
    policy=READ,
    status_code=200,
    operation_id="liftAccountDunningHold",
    summary="Let the dunning of an account go on",
    tags=["Operators"],
    responses=answers(LiftedHolds, "The holds that were lifted."),
)
async def lift_account(
    actor: Caller, context: AppContext, account_id: Account, data: JSONBody[DunningReason]
) -> Response[bytes]:
    """Lift the hold of an account. Those of single invoices stay."""
    target = await holds.target_of_account(context.pool, account_id)
    return unstored(LiftedHolds(await holds.lift(context, operator_of(actor), target, data.reason)))


ROUTES = (list_dunning, get_policy, get_dunning, hold, forgive, lift, hold_account, lift_account)
