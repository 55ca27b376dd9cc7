"""Attend to one invoice: look, decide, charge if that is due, and store what came of it.

Reads: read_model.subscriptions. Writes: portal.dunning, and what `charge` writes.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta

import structlog
from msgspec import structs

from app import leases
from app.commands.dunning import candidates, journal, moves
from app.commands.dunning.charge import Charged, charge
from app.commands.dunning.decide import ChargeNow, End, InvoiceFacts, PassSlot, StandStill, charge_decision
from app.commands.dunning.journal import DunningMovedOn, DunningRow, Told, ended
from app.commands.dunning.look import InvoiceOwner, Looked, look
from app.commands.dunning.moves import InvoiceTerms
from app.commands.dunning.policy import policies
from app.commands.dunning.schedule import calendar_of
from app.commands.execution.context import Context

DOUBT = timedelta(minutes=10)
_PRODUCTS = (
    "SELECT product_id FROM read_model.subscriptions WHERE account_id = $1 AND subscription_id = ANY($2::text[])"
)

log = structlog.get_logger()


@asynccontextmanager
async def turn(ctx: Context, invoice_id: str) -> AsyncIterator[bool]:
    """Hold the turn of an invoice, or yield false: another process attends to it, or has just moved it on."""
    async with ctx.locks.exclusively("dunning", invoice_id) as mine:
        try:
            yield bool(mine)
        except (DunningMovedOn, leases.Lost) as error:
            log.info("dunning_given_up", invoice_id=invoice_id, error=repr(error))


async def attend(ctx: Context, subject: InvoiceOwner, at: datetime, *, may_charge: bool = True) -> None:
    """Do what is due for an invoice now. Without `may_charge`, days pass and nothing is charged: WHMCS charges.

    Raises:
        UpstreamError: nothing was decided; the invoice stays due.
    """
    async with turn(ctx, subject.invoice_id) as mine:
        if not mine:
            return
        calendar = calendar_of(ctx.settings)
        looked = await look(ctx, subject, calendar.day_of(at))
        facts = looked.facts if may_charge else _uncharged(looked.facts)
        terms = await terms_of(ctx, looked)
        decision = charge_decision(facts, terms.policy, calendar, at)
        if isinstance(decision, End):
            await end(ctx, looked, decision, at)
        elif isinstance(decision, ChargeNow):
            await _charge(ctx, looked, decision, terms, at)
        else:
            await _pass(
                ctx, looked, facts, decision if isinstance(decision, PassSlot | StandStill) else None, terms, at
            )


def _uncharged(facts: InvoiceFacts) -> InvoiceFacts:
    """Return the facts of an invoice that only WHMCS charges."""
    return structs.replace(facts, client=structs.replace(facts.client, charges_off=True))


async def terms_of(ctx: Context, looked: Looked) -> InvoiceTerms:
    """Return the policy of an invoice, and whether something may be suspended for it."""
    facts = looked.facts
    services = facts.invoice.subscription_ids if facts.invoice else ()
    found = await ctx.pool.fetch(_PRODUCTS, looked.subject.account_id, list(services))
    policy = policies(ctx.settings).of(
        facts.client.group_id, [each["product_id"] for each in found if each["product_id"]]
    )
    ours = ctx.settings.automator_of("suspension") == "portal"
    suspends = ours and bool(found) and not facts.client.exempt and policy.grace_days is not None
    return InvoiceTerms(policy, calendar_of(ctx.settings), suspends)


async def end(ctx: Context, looked: Looked, decision: End, at: datetime) -> None:
    """Store the end of an invoice's dunning. One that never was in it is remembered only if it must not begin."""
    row = looked.row
    if decision.reason == "owner_changed" and await _follow_owner(ctx, looked, at):
        return
    if row is not None and row.ended_at is None:
        told = [Told(decision.state, None, {"reason": decision.reason})]
        await journal.store(ctx.pool, row, ended(row, decision.state, decision.reason, at), at, told)
    elif row is None and decision.state == "abandoned":
        await journal.store(ctx.pool, None, ended(blank(looked, at), decision.state, decision.reason, at), at)
    elif row is not None and decision.state == "abandoned" and row.state == "settled":
        await journal.store(ctx.pool, row, ended(row, decision.state, decision.reason, at), at)
    log.info("dunning_ended", invoice_id=looked.subject.invoice_id, state=decision.state, reason=decision.reason)


async def _follow_owner(ctx: Context, looked: Looked, at: datetime) -> bool:
    """Give the row to the account of the client that has the invoice now, such as after a merge. Returns whether that
    settles it: an invoice without a row is found under its new account by itself."""
    assert looked.facts.invoice is not None
    row, client_id = looked.row, looked.facts.invoice.client_id
    if row is None or row.ended_at is not None:
        return True
    account_id = await ctx.pool.fetchval(
        "SELECT account_id FROM portal.id_mappings WHERE whmcs_client_id = $1", client_id
    )
    if account_id is None:
        return False
    to = structs.replace(row, account_id=str(account_id), whmcs_client_id=int(client_id))
    await journal.store(ctx.pool, row, to, at)
    return True


def blank(looked: Looked, at: datetime) -> DunningRow:
    """Return the row of an invoice of which nothing but its end is to be remembered."""
    invoice = looked.facts.invoice
    return DunningRow(
        whmcs_invoice_id=int(looked.subject.invoice_id),
        account_id=str(looked.subject.account_id),
        whmcs_client_id=int(looked.subject.client_id),
        state="abandoned",
        max_attempts=0,
        due_on=(invoice and invoice.due_on) or at.date(),
        started_at=at,
    )


def _open_row(looked: Looked, terms: InvoiceTerms, at: datetime) -> DunningRow:
    row = looked.row
    return row if row is not None and row.ended_at is None else moves.begun(looked, terms, at)


async def _charge(ctx: Context, looked: Looked, decision: ChargeNow, terms: InvoiceTerms, at: datetime) -> None:
    row = _open_row(looked, terms, at)
    label = "new" if decision.slot is None else str(decision.slot)
    key = f"{looked.subject.invoice_id}:{row.round}:{label}"
    charged = await charge(ctx, looked, decision.methods, key)
    log.info("dunning_charged", invoice_id=looked.subject.invoice_id, slot=decision.slot, status=charged.status)
    to, told = _after(row, looked, decision, charged, terms, at)
    if charged.status in ("pending", "moved") and looked.row is None:
        return  # it never was in dunning
    if charged.status == "paid" and looked.row is None:
        told = []  # remembered, so that it is never charged again
    await journal.store(ctx.pool, looked.row, to, at, told)


def _after(
    row: DunningRow, looked: Looked, decision: ChargeNow, charged: Charged, terms: InvoiceTerms, at: datetime
) -> tuple[DunningRow, list[Told]]:
    if charged.status == "paid":
        return ended(row, "settled", "paid", at), [Told("settled", None, {"reason": "paid"})]
    if charged.status == "declined" and decision.slot is None:
        return moves.after_new_method(row, looked.facts, charged.declines, terms, at)
    if charged.status == "declined":
        assert decision.slot is not None
        return moves.after_slot(row, decision.slot, looked.facts, charged.declines, terms, at)
    return moves.looked_at_again(row, at + DOUBT), []


async def _pass(
    ctx: Context,
    looked: Looked,
    facts: InvoiceFacts,
    decision: PassSlot | StandStill | None,
    terms: InvoiceTerms,
    at: datetime,
) -> None:
    """Let the day of a repetition pass, or the clock stand still. An invoice that was looked at gets a row in any case,
    so that it is looked at again when something is due."""
    row, told = _open_row(looked, terms, at), list[Told]()
    if isinstance(decision, PassSlot):
        row, told = moves.after_slot(row, decision.slot, facts, (), terms, at)
        if decision.reason is not None:
            row = structs.replace(row, last_decline_kind="hard", last_decline_code=decision.reason)
    elif isinstance(decision, StandStill):
        row = moves.paused(row, at)
    else:
        seen = await candidates.methods_on_file(ctx.pool, looked.subject.account_id)
        row = structs.replace(row, methods_seen=sorted({*row.methods_seen, *looked.facts.methods, *seen}))
    if row != looked.row:
        await journal.store(ctx.pool, looked.row, row, at, told)
    await journal.note_look(ctx.pool, looked.subject.invoice_id, at)
