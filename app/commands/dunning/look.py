"""The facts of an invoice, read from WHMCS at this moment; what was read goes to the read models as well.

Reads: WHMCS invoices, client, client groups, payment methods; read_model.invoices, portal.captures,
portal.dunning_holds, portal.dunning. Writes: ingest.inbox, and what `follow_merges` writes.
"""

from datetime import date
from decimal import Decimal
from typing import Any
from uuid import UUID

import asyncpg
from msgspec import Struct, structs

from app.clock import now
from app.commands.billing import captures
from app.commands.dunning import journal
from app.commands.dunning.decide import Client, InvoiceFacts, LiveInvoice
from app.commands.dunning.holding import covers
from app.commands.dunning.journal import DunningRow
from app.commands.dunning.merged_holds import follow_merges
from app.commands.execution.context import Context
from app.errors import UpstreamNotFound
from app.intake import parse
from app.integrations.whmcs import suspensions
from app.integrations.whmcs.records import WhmcsRecord, change
from app.money import rounded
from app.readmodels.invoices import OPEN, UNKNOWN, status_of

MOST_COLLECTING = 5
_COLLECTING = """
SELECT c.invoice_id FROM read_model.invoices c
WHERE c.account_id = $1 AND c.collective AND c.status = ANY($3::text[]) AND convert_from(c.document, 'UTF8')::jsonb
    @> jsonb_build_object('items', jsonb_build_array(jsonb_build_object('invoice_id', $2::text)))
ORDER BY c.sort_id DESC LIMIT $4
"""
_WAS_PAID = """
SELECT EXISTS (SELECT FROM mirror.records WHERE source = 'whmcs' AND object = 'invoice_stage' AND parent_id = $1
    AND lower(data ->> 'status') = 'paid')
"""
_HELD = f"""
SELECT EXISTS (
    SELECT FROM portal.dunning_holds h WHERE {covers(account="$1", invoice="$2", today="$3")})
"""


class InvoiceOwner(Struct, frozen=True):
    """An invoice to look at, and whose it is as far as the portal knows. An unknown currency is empty."""

    invoice_id: str
    account_id: UUID
    client_id: str
    currency: str


class Looked(Struct, frozen=True):
    """What was seen: the facts, the journal's row, and the payment methods by fingerprint, first the one that WHMCS
    lists first."""

    subject: InvoiceOwner
    facts: InvoiceFacts
    row: DunningRow | None
    methods: dict[str, WhmcsRecord]


async def look(ctx: Context, subject: InvoiceOwner, today: date) -> Looked:
    """Read everything that decisions about an invoice rest on.

    Raises:
        UpstreamError: WHMCS did not tell everything, so nothing may be decided.
    """
    await follow_merges(ctx.pool)  # what staff agreed with a merged client is to be known now
    row = await journal.one(ctx.pool, subject.invoice_id)
    record = await _invoice(ctx, subject)
    invoice = _facts_of(record) if record else None
    own = invoice is not None and invoice.client_id == subject.client_id
    client = await _client(ctx, subject.client_id) if own else Client()
    listed = await ctx.whmcs.pay_methods(subject.client_id) if own and not client.closed else ()
    methods = {fingerprint(each): each for each in listed}
    facts = InvoiceFacts(
        invoice=invoice,
        owner_id=subject.client_id,
        client=client,
        known=row.known if row else None,
        methods=tuple(methods),
        held=await is_held(ctx.pool, str(subject.account_id), int(subject.invoice_id), today),
        in_doubt=await _in_doubt(ctx.pool, subject.invoice_id),
        mass_payment_pending=own and await _is_being_collected(ctx, subject),
        paid_before=not (row and row.adopted_by) and await _was_paid(ctx.pool, subject.invoice_id),
    )
    return Looked(subject, facts, row, methods)


async def _invoice(ctx: Context, subject: InvoiceOwner) -> WhmcsRecord | None:
    read_at = now()
    try:
        if subject.currency:
            found = await ctx.whmcs.any_invoice(subject.invoice_id, subject.currency)
        else:
            found = await ctx.whmcs.invoice(subject.invoice_id)
    except UpstreamNotFound:
        return None
    await ctx.inbox.submit([change(found, origin="command", read_at=read_at)])
    return found


async def _in_doubt(pool: asyncpg.Pool, invoice_id: str) -> bool:
    """Return whether a charge of an invoice may still be carried out, or nobody knows what came of it."""
    sent = await captures.last(pool, invoice_id)
    return bool(sent and sent.open_for_seconds) or bool(await captures.in_doubt(pool, invoice_id))


async def _is_being_collected(ctx: Context, subject: InvoiceOwner) -> bool:
    """Return whether a mass payment of the invoice is on its way. WHMCS leaves what it pays for unpaid until then."""
    may_be = [*OPEN, UNKNOWN]
    values = (subject.account_id, subject.invoice_id, may_be, MOST_COLLECTING)
    for each in await ctx.pool.fetch(_COLLECTING, *values):
        collecting = structs.replace(subject, invoice_id=each["invoice_id"])
        found = await _invoice(ctx, collecting)
        if found is not None and status_of(found.data["status"]) == "payment_pending":
            return True
        if await _in_doubt(ctx.pool, collecting.invoice_id):
            return True
    return False


async def _client(ctx: Context, client_id: str) -> Client:
    try:
        found = await suspensions.client_standing(ctx.whmcs, client_id)
    except UpstreamNotFound:  # merged or deleted; its invoices went with it
        return Client(closed=True)
    exempt = found.group_id != "0" and found.group_id in await suspensions.exempt_groups(ctx.whmcs)
    closed = found.status.casefold() == "closed"
    return Client(closed=closed, charges_off=found.charges_off, exempt=exempt, group_id=found.group_id)


def _facts_of(record: WhmcsRecord) -> LiveInvoice:
    data = record.data
    lines: list[dict[str, Any]] = data["items"]
    kinds = [str(each.get("type") or "").strip() for each in lines]
    other = {"AddFunds", "Invoice"} & set(kinds)
    services = [
        str(each["relid"]) for each, kind in zip(lines, kinds, strict=True) if kind == "Hosting" and each["relid"]
    ]
    return LiveInvoice(
        client_id=record.owner_id or "",
        status=status_of(data["status"]),
        balance=_owed(data),
        due_on=parse.day(data["duedate"]),
        issued_on=parse.day(data["date"]),
        chargeable=data["ccgateway"] == "1",
        not_billed_for="" if not other else "prepayment" if "AddFunds" in other else "collective",
        subscription_ids=tuple(dict.fromkeys(services)),
    )


def _owed(data: dict[str, Any]) -> Decimal | None:
    """Return the balance as customers are shown it. What is less than a coin of its currency nobody can pay."""
    found = parse.money(data["balance"])
    return None if found is None else rounded(found, str(data.get("currencycode") or ""))


def fingerprint(method: WhmcsRecord) -> str:
    """Name a payment method so that a card that was replaced in place counts as another one."""
    month, _, year = str(method.data.get("expiry_date") or "").partition("/")
    expires = f"20{int(year) % 100:02d}-{int(month):02d}" if month.isdecimal() and year.isdecimal() else ""
    return f"{method.record_id}:{method.data.get('card_last_four') or ''}:{expires}"


async def _was_paid(pool: asyncpg.Pool, invoice_id: str) -> bool:
    """Return whether the portal has ever seen the invoice paid."""
    seen: bool = await pool.fetchval(_WAS_PAID, invoice_id)
    return seen


async def is_held(pool: asyncpg.Pool, account_id: str, invoice_id: int, today: date) -> bool:
    """Return whether staff hold the invoice, or all of its account."""
    held: bool = await pool.fetchval(_HELD, account_id, invoice_id, today)
    return held
