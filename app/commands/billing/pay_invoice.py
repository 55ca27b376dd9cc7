"""Pay an invoice with the method on file: WHMCS charges it. Once, whatever the network does.

WHMCS has no idempotency: a charge that is sent twice is made twice. So everything is looked at first, a charge is
written down before it is sent, and while nobody knows what came of one, no other is sent and no payment link given.

Writes: WHMCS payment; portal.captures; ingest.inbox.
"""

import asyncio
from collections.abc import Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

import structlog
from msgspec import Struct

from app.commands.billing import captures
from app.commands.billing.create_payment_link import PayInvoice
from app.commands.billing.decline_reasons import refusal
from app.commands.billing.payable_invoices import Live, OpenInvoice, in_progress, read, refuse_unpayable, rows_of
from app.commands.execution.context import Actor, Context, Done
from app.commands.execution.doubts import repeatable
from app.concurrency_limit import ConcurrencyLimit
from app.errors import (
    NotFound,
    OutcomeUnknown,
    RuleViolated,
    UpstreamAuthFailed,
    UpstreamError,
    UpstreamMalformed,
    UpstreamRejected,
    UpstreamUnavailable,
    Violation,
)
from app.ingest.refetch.owners import whmcs_hint
from app.intake import parse
from app.integrations.whmcs.faults import WHMCS
from app.integrations.whmcs.records import WhmcsRecord
from app.money import Money, money

TAKEN = ("paid", "payment_pending")
LOOK_AGAIN_SECONDS = (0.2, 1.0, 3.0)
PATIENCE_SECONDS = 10.0
_CHARGES = ConcurrencyLimit(6, 2, PATIENCE_SECONDS)
"""Charges of one process at a time, and of one account; each may take a minute."""
NOTHING_SENT = (UpstreamUnavailable, UpstreamAuthFailed)

log = structlog.get_logger()


class PaidInvoice(Struct, frozen=True, kw_only=True):
    """A payment that was taken: `paid`, or `payment_pending` where the bank takes its time."""

    invoice_id: str
    status: str
    amount: Money


async def pay_invoice(ctx: Context, actor: Actor, request: PayInvoice) -> Done:
    """Charge what is open of the account's own invoice. A repetition of the same request finds what the first did.

    Raises:
        NotFound: absent, or another account's.
        Conflict: `invoice_not_payable`, `payment_in_progress`.
        RuleViolated: `payment_method_missing`, `invoice_not_chargeable`.
        PaymentRefused: nothing was charged, with the reason as far as WHMCS says.
        OutcomeUnknown: it may have been charged; the same request finds out.
        UpstreamError: WHMCS is away; nothing was charged.
        Overloaded: `server_busy`, too many are being charged; nothing was.
    """
    [row] = await rows_of(ctx, actor, [request.invoice_id])
    account_id = actor.account_id_or_refuse()
    async with (
        _CHARGES.slot(str(account_id)),
        ctx.locks.exclusively("pay_invoice", account_id, request.invoice_id) as mine,
    ):
        if not mine:
            raise in_progress(0)
        return await _pay(ctx, actor, request.invoice_id, row["currency"])


async def _pay(ctx: Context, actor: Actor, invoice_id: str, currency: str) -> Done:
    present = await read(ctx, actor, invoice_id, currency)
    sent = await captures.last(ctx.pool, invoice_id)
    if sent and sent.command_key == actor.command_key and present.status in TAKEN:
        return await _taken(ctx, invoice_id, money(sent.amount, currency), present)
    await refuse_unpayable(ctx, [OpenInvoice(invoice_id, present.status)])
    methods = await _chargeable(ctx, actor, present.record)
    amount = parse.money(present.record.data["balance"])
    if amount is None:
        raise UpstreamMalformed(WHMCS, "GetInvoice", "a balance that says no amount")
    await captures.send(ctx.pool, invoice_id, actor.account_id_or_refuse(), actor.command_key, amount)
    after = await _charge(ctx, actor, present.record, methods)
    return await _taken(ctx, invoice_id, money(amount, currency), after)


async def _chargeable(ctx: Context, actor: Actor, invoice: WhmcsRecord) -> Sequence[WhmcsRecord]:
    """The methods on file, with the invoice set to a gateway that can charge one of them."""
    methods = await ctx.whmcs.pay_methods(actor.whmcs_client_id)
    if not methods:
        reason = f"pay:{actor.request_id or actor.command_key}"
        await ctx.inbox.submit([whmcs_hint("pay_methods", actor.whmcs_client_id, reason)])
        raise _rule("payment_method_missing", "There is no payment method on file. Please add one first.")
    if invoice.data["ccgateway"] == "1":
        return methods
    gateway = next((each.data["gateway_name"] for each in methods if each.data.get("gateway_name")), None)
    if gateway is None:
        raise _rule("invoice_not_chargeable", "This invoice cannot be charged. Please pay it on its payment page.")
    with repeatable():
        await ctx.whmcs.set_invoice_gateway(invoice.record_id, gateway)
    return methods


async def _charge(ctx: Context, actor: Actor, invoice: WhmcsRecord, methods: Sequence[WhmcsRecord]) -> Live | None:
    """Charge, and look at what came of it; None when it was taken and cannot be looked at."""
    invoice_id = invoice.record_id
    try:
        await ctx.whmcs.charge(invoice_id)
    except NOTHING_SENT:
        await captures.refused(ctx.pool, invoice_id)
        raise
    except UpstreamRejected as error:
        found = await _look(ctx, actor, invoice)
        if found and found.status in TAKEN:
            return found
        await captures.refused(ctx.pool, invoice_id)
        if found:
            await refuse_unpayable(ctx, [OpenInvoice(invoice_id, found.status)])
        today = datetime.now(ZoneInfo(ctx.settings.whmcs_time_zone)).date()
        raise refusal(error, methods, today) from error
    except OutcomeUnknown:
        for pause_seconds in LOOK_AGAIN_SECONDS:
            await asyncio.sleep(pause_seconds)
            found = await _look(ctx, actor, invoice)
            if found and found.status in TAKEN:
                log.info("charge_found_after_unknown_outcome", invoice_id=invoice_id)
                return found
        raise
    return await _look(ctx, actor, invoice)


async def _look(ctx: Context, actor: Actor, invoice: WhmcsRecord) -> Live | None:
    """The invoice as it is now. What cannot be read at once a worker reads as soon as that works."""
    try:
        return await read(ctx, actor, invoice.record_id, invoice.data["currencycode"])
    except (UpstreamError, NotFound) as error:
        log.warning("charged_invoice_not_read_back", invoice_id=invoice.record_id, error=str(error))
        reason = f"pay:{actor.request_id or actor.command_key}"
        await ctx.inbox.submit([whmcs_hint("invoice", invoice.record_id, reason)])
        return None


async def _taken(ctx: Context, invoice_id: str, amount: Money, after: Live | None) -> Done:
    """WHMCS said yes. Until the invoice says so too the charge stays open, and nobody can send another."""
    status = after.status if after else ""
    if status in TAKEN:
        await captures.taken(ctx.pool, invoice_id)
    paid = PaidInvoice(invoice_id=invoice_id, status=status if status in TAKEN else "payment_pending", amount=amount)
    return Done(paid, after.submission if after else None, target=invoice_id)


def _rule(code: str, sentence: str) -> RuleViolated:
    return RuleViolated(sentence, code=code, errors=[Violation("invoice_id", code, sentence)])
