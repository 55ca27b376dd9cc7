"""Charge an invoice to the payment method on file, exactly once, whatever the network does and whoever asks for it.

WHMCS has no idempotency: a charge that is sent twice is made twice. Therefore everything is checked first, a charge is
recorded before it is sent, and while its outcome is unknown no other charge is sent and no payment link is created.

Writes: WHMCS payment; portal.captures, portal.capture_attempts; ingest.inbox.
"""

import asyncio
from collections.abc import Sequence
from datetime import datetime
from typing import Annotated
from zoneinfo import ZoneInfo

import msgspec
import structlog
from msgspec import Struct

from app.commands.billing import captures
from app.commands.billing.captures import Initiator, NewAttempt
from app.commands.billing.chargeable_methods import chargeable_methods, charged_first
from app.commands.billing.decline_kinds import classified
from app.commands.billing.decline_reasons import refusal
from app.commands.billing.declines import Refused, explain
from app.commands.billing.doubtful_captures import resolve, shown
from app.commands.billing.payable_invoices import Live, OpenInvoice, in_progress, read, refuse_unpayable, rows_of
from app.commands.execution import pending_write
from app.commands.execution.context import Actor, Context, Done
from app.commands.execution.pending_write import write_of
from app.concurrency_limit import ConcurrencyLimit
from app.errors import (
    Conflict,
    NotFound,
    OutcomeUnknown,
    PaymentRefused,
    PortalError,
    UpstreamAuthFailed,
    UpstreamError,
    UpstreamMalformed,
    UpstreamNotFound,
    UpstreamUnavailable,
)
from app.ingest.inbox.pending import Pending
from app.ingest.refetch.owners import whmcs_hint
from app.intake import parse
from app.intake.words import one_of
from app.integrations.whmcs.charging.decline_texts import GatewayWords
from app.integrations.whmcs.faults import WHMCS
from app.integrations.whmcs.records import WhmcsRecord
from app.money import Money, money
from app.readmodels.invoices import PAYABLE

ACCEPTED = ("paid", "payment_pending")
LOOK_AGAIN_SECONDS = (0.2, 1.0, 3.0)
PATIENCE_SECONDS = 10.0
IN_DOUBT = "Nobody knows yet what came of an earlier charge of this invoice. Look again, or state what came of it."
_CHARGES = ConcurrencyLimit(6, 2, PATIENCE_SECONDS)
"""Concurrent charges per process and per account; each may take a minute."""
Charged = tuple[Live | None, int | None]
"""The invoice after a charge, if it could be read, and the submission that shows it."""
NOTHING_SENT = (UpstreamUnavailable, UpstreamAuthFailed)

log = structlog.get_logger()


PaidWord = Annotated[str, one_of(["paid", "payment_pending"])]


class PaidInvoice(Struct, frozen=True, kw_only=True):
    """A payment that was accepted: `paid`, or `payment_pending` until the bank confirms it."""

    invoice_id: str
    status: PaidWord
    """`paid`, or `payment_pending` until the bank confirms it."""
    amount: Money


async def charge_invoice(ctx: Context, actor: Actor, invoice_id: str, initiator: Initiator) -> Done:
    """Charge the balance of an invoice of the actor's account; the result is a `PaidInvoice`.

    The actor is the customer, or stands for the customer's account; its `command_key` is the same in every repetition
    of one request. Only a customer may charge again while an earlier attempt is in doubt, once it is settled.

    Raises:
        NotFound: absent, or another account's.
        Conflict: `invoice_not_payable`, `payment_in_progress`, `payment_in_doubt`.
        RuleViolated: `payment_method_missing`, `invoice_not_chargeable`.
        PaymentRefused: nothing was charged; the newest of `captures.attempts` has the kind of the decline.
        OutcomeUnknown: it may have been charged; repeat the same request to find out.
        UpstreamError: WHMCS is unavailable; nothing was charged.
        Overloaded: `server_busy`, too many charges are in progress; nothing was charged.
    """
    [row] = await rows_of(ctx, actor, [invoice_id])
    account_id = actor.account_id_or_refuse()
    async with (
        _CHARGES.slot(str(account_id)),
        ctx.locks.exclusively("pay_invoice", account_id, invoice_id) as mine,
    ):
        if not mine:
            raise in_progress(0)
        return await _pay(ctx, actor, invoice_id, row["currency"], initiator)


async def _pay(ctx: Context, actor: Actor, invoice_id: str, currency: str, initiator: Initiator) -> Done:
    present = await read(ctx, actor, invoice_id, currency)
    sent = await captures.last(ctx.pool, invoice_id)
    if sent and sent.command_key == actor.command_key and present.status in ACCEPTED:
        return await _accepted(ctx, invoice_id, money(sent.amount, currency), present, present.submission)
    if initiator != "customer" and (done := await captures.by_key(ctx.pool, invoice_id, actor.command_key)):
        if done.outcome == "declined":
            raise refusal(done.decline_reason or "", done.card_last_four)
        if done.outcome == "charged":
            return Done(PaidInvoice(invoice_id=invoice_id, status="paid", amount=money(done.amount, currency)))
    await refuse_unpayable(ctx, [OpenInvoice(invoice_id, present.status)])
    for each in await captures.in_doubt(ctx.pool, invoice_id):
        if await resolve(ctx, each, present.record) is None and initiator != "customer":
            raise Conflict(IN_DOUBT, code="payment_in_doubt")
    methods = await chargeable_methods(ctx, actor, present.record)
    amount = parse.money(present.record.data["balance"])
    if amount is None:
        raise UpstreamMalformed(WHMCS, "GetInvoice", "a balance that is no amount")
    attempt = NewAttempt(
        invoice_id=invoice_id,
        account_id=actor.account_id_or_refuse(),
        command_key=actor.command_key,
        initiator=initiator,
        amount=amount,
        currency=currency,
        before=shown(present.record),
        **charged_first(ctx.settings, methods),
    )
    await captures.record_sent(ctx.pool, attempt)
    write = await _begun(ctx, actor, invoice_id, money(amount, currency)) if initiator == "customer" else None
    after, submission = await _charge(ctx, actor, present.record, methods, write)
    return await _accepted(ctx, invoice_id, money(amount, currency), after, submission)


async def _begun(ctx: Context, actor: Actor, invoice_id: str, amount: Money) -> Pending:
    """Show the charge that the customer asked for as pending."""
    recheck = ("whmcs", "invoice", invoice_id)
    charge = {"charge": msgspec.to_builtins(amount)}
    write = write_of(actor, "pay_invoice", "invoices", charge, item_id=invoice_id, recheck=recheck)
    await pending_write.begin(ctx, write)
    return write


async def _charge(
    ctx: Context, actor: Actor, invoice: WhmcsRecord, methods: Sequence[WhmcsRecord], write: Pending | None
) -> Charged:
    """Charge the invoice and return it as it is then; None if the charge succeeded and the invoice cannot be read."""
    try:
        refused = await ctx.whmcs.charge(invoice.record_id)
    except NOTHING_SENT:
        await captures.forget(ctx.pool, invoice.record_id)
        raise
    except UpstreamNotFound as error:
        found, _ = await _read_back(ctx, actor, invoice)
        if found and found.status in ACCEPTED:
            return await _read_back(ctx, actor, invoice, write)
        raise await _not_tried(ctx, invoice, found) from error
    except OutcomeUnknown:
        if await _paid_after_all(ctx, actor, invoice):
            return await _read_back(ctx, actor, invoice, write)
        raise
    if refused is None:
        return await _read_back(ctx, actor, invoice, write)
    found, _ = await _read_back(ctx, actor, invoice)
    if found and found.status in ACCEPTED:
        return await _read_back(ctx, actor, invoice, write)
    if found and found.status not in PAYABLE:
        raise await _not_tried(ctx, invoice, found)
    raise await _declined(ctx, actor, Declined(invoice.record_id, found, refused, methods))


async def _paid_after_all(ctx: Context, actor: Actor, invoice: WhmcsRecord) -> bool:
    """Return whether the invoice shows the payment within a few seconds."""
    for pause_seconds in LOOK_AGAIN_SECONDS:
        await asyncio.sleep(pause_seconds)
        found, _ = await _read_back(ctx, actor, invoice)
        if found and found.status in ACCEPTED:
            log.info("charge_found_after_unknown_outcome", invoice_id=invoice.record_id)
            return True
    return False


async def _not_tried(ctx: Context, invoice: WhmcsRecord, found: Live | None) -> PortalError:
    """Withdraw an attempt that WHMCS did not make, as the invoice is not open any more; return the refusal."""
    await captures.forget(ctx.pool, invoice.record_id)
    try:
        await refuse_unpayable(ctx, [OpenInvoice(invoice.record_id, found.status)] if found else [])
    except PortalError as error:
        return error
    return PaymentRefused()


class Declined(Struct, frozen=True):
    """A declined charge: the invoice after it, if it was read, WHMCS's answer, and the methods on file."""

    invoice_id: str
    found: Live | None
    answer: GatewayWords
    methods: Sequence[WhmcsRecord]


async def _declined(ctx: Context, actor: Actor, declined: Declined) -> PaymentRefused:
    """Record the decline at once, and then why, as far as that can be found out."""
    d, zone = declined, ZoneInfo(ctx.settings.whmcs_time_zone)
    attempt_id = await captures.mark_declined(ctx.pool, d.invoice_id, classified(d.answer.codes))
    tried_at = parse.instant(d.found.record.data["last_capture_attempt"], zone) if d.found else None
    refused = Refused(actor.account_id_or_refuse(), d.invoice_id, d.answer, tried_at)
    decline = await explain(ctx, refused, d.methods, datetime.now(zone).date())
    await captures.revise_decline(ctx.pool, attempt_id, decline)
    return refusal(decline.reason, d.methods[0].data.get("card_last_four") if len(d.methods) == 1 else None)


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
