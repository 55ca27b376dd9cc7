"""Pay an invoice with the payment method on file: WHMCS charges it exactly once, whatever the network does.

WHMCS has no idempotency: a charge that is sent twice is made twice. Therefore everything is checked first, a charge is
recorded before it is sent, and while its outcome is unknown no other charge is sent and no payment link is created.

Writes: WHMCS payment; portal.captures; ingest.inbox.
"""

import asyncio
from collections.abc import Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

import msgspec
import structlog
from msgspec import Struct

from app.commands.billing import captures
from app.commands.billing.create_payment_link import PayInvoice
from app.commands.billing.decline_reasons import refusal
from app.commands.billing.payable_invoices import Live, OpenInvoice, in_progress, read, refuse_unpayable, rows_of
from app.commands.execution import pending_write
from app.commands.execution.context import Actor, Command, Context, Done
from app.commands.execution.doubts import repeatable
from app.commands.execution.pending_write import write_of
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
from app.ingest.inbox.pending import Pending
from app.ingest.refetch.owners import whmcs_hint
from app.intake import parse
from app.integrations.whmcs.faults import WHMCS
from app.integrations.whmcs.records import WhmcsRecord
from app.money import Money, money

ACCEPTED = ("paid", "payment_pending")
LOOK_AGAIN_SECONDS = (0.2, 1.0, 3.0)
PATIENCE_SECONDS = 10.0
_CHARGES = ConcurrencyLimit(6, 2, PATIENCE_SECONDS)
"""Concurrent charges per process and per account; each may take a minute."""
Charged = tuple[Live | None, int | None]
"""The invoice after a charge, if it could be read, and the submission that shows it."""
NOTHING_SENT = (UpstreamUnavailable, UpstreamAuthFailed)

log = structlog.get_logger()


class PaidInvoice(Struct, frozen=True, kw_only=True):
    """A payment that was accepted: `paid`, or `payment_pending` until the bank confirms it."""

    invoice_id: str
    status: str
    amount: Money


async def pay_invoice(ctx: Context, actor: Actor, request: PayInvoice) -> Done:
    """Charge the balance of one of the account's invoices. A repeated request finds the outcome of the first.

    Raises:
        NotFound: absent, or another account's.
        Conflict: `invoice_not_payable`, `payment_in_progress`.
        RuleViolated: `payment_method_missing`, `invoice_not_chargeable`.
        PaymentRefused: nothing was charged; carries the reason if WHMCS gives one.
        OutcomeUnknown: it may have been charged; repeat the same request to find out.
        UpstreamError: WHMCS is unavailable; nothing was charged.
        Overloaded: `server_busy`, too many charges are in progress; nothing was charged.
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
    if sent and sent.command_key == actor.command_key and present.status in ACCEPTED:
        return await _accepted(ctx, invoice_id, money(sent.amount, currency), present, present.submission)
    await refuse_unpayable(ctx, [OpenInvoice(invoice_id, present.status)])
    methods = await _chargeable(ctx, actor, present.record)
    amount = parse.money(present.record.data["balance"])
    if amount is None:
        raise UpstreamMalformed(WHMCS, "GetInvoice", "a balance that is no amount")
    await captures.record_sent(ctx.pool, invoice_id, actor.account_id_or_refuse(), actor.command_key, amount)
    charge = msgspec.to_builtins(money(amount, currency))
    recheck = ("whmcs", "invoice", invoice_id)
    write = write_of(actor, COMMAND.name, "invoices", {"charge": charge}, item_id=invoice_id, recheck=recheck)
    await pending_write.begin(ctx, write)
    after, submission = await _charge(ctx, actor, present.record, methods, write)
    return await _accepted(ctx, invoice_id, money(amount, currency), after, submission)


async def _chargeable(ctx: Context, actor: Actor, invoice: WhmcsRecord) -> Sequence[WhmcsRecord]:
    """Return the methods on file, after setting the invoice to a gateway that can charge one of them."""
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


async def _charge(
    ctx: Context, actor: Actor, invoice: WhmcsRecord, methods: Sequence[WhmcsRecord], write: Pending
) -> Charged:
    """Charge the invoice and return it as it is then; None if the charge succeeded and the invoice cannot be read."""
    invoice_id = invoice.record_id
    try:
        await ctx.whmcs.charge(invoice_id)
    except NOTHING_SENT:
        await captures.forget(ctx.pool, invoice_id)
        raise
    except UpstreamRejected as error:
        found, _ = await _read_back(ctx, actor, invoice)
        if found and found.status in ACCEPTED:
            return await _read_back(ctx, actor, invoice, write)
        await captures.forget(ctx.pool, invoice_id)
        if found:
            await refuse_unpayable(ctx, [OpenInvoice(invoice_id, found.status)])
        today = datetime.now(ZoneInfo(ctx.settings.whmcs_time_zone)).date()
        raise refusal(error, methods, today) from error
    except OutcomeUnknown:
        for pause_seconds in LOOK_AGAIN_SECONDS:
            await asyncio.sleep(pause_seconds)
            found, _ = await _read_back(ctx, actor, invoice)
            if found and found.status in ACCEPTED:
                log.info("charge_found_after_unknown_outcome", invoice_id=invoice_id)
                return await _read_back(ctx, actor, invoice, write)
        raise
    return await _read_back(ctx, actor, invoice, write)


async def _read_back(ctx: Context, actor: Actor, invoice: WhmcsRecord, write: Pending | None = None) -> Charged:
    """Read the invoice as it is now; if that fails, queue a refetch. `write` is pending until either shows."""
    try:
        live = await read(ctx, actor, invoice.record_id, invoice.data["currencycode"], write)
        return live, live.submission
    except (UpstreamError, NotFound) as error:
        log.warning("charged_invoice_not_read_back", invoice_id=invoice.record_id, error=str(error))
        reason = f"pay:{actor.request_id or actor.command_key}"
        hint = whmcs_hint("invoice", invoice.record_id, reason)
        return None, await ctx.inbox.submit([hint], pending=[write] if write else [])


async def _accepted(ctx: Context, invoice_id: str, amount: Money, after: Live | None, submission: int | None) -> Done:
    """Report a charge that WHMCS accepted. It stays open, and blocks another, until the invoice shows it."""
    status = after.status if after else ""
    if status in ACCEPTED:
        await captures.mark_charged(ctx.pool, invoice_id)
    paid = PaidInvoice(invoice_id=invoice_id, status=status if status in ACCEPTED else "payment_pending", amount=amount)
    return Done(paid, submission, target=invoice_id)


def _rule(code: str, sentence: str) -> RuleViolated:
    return RuleViolated(sentence, code=code, errors=[Violation("invoice_id", code, sentence)])


COMMAND = Command(pay_invoice, idempotency_key="required")
