"""The account's invoices as payments need them: from the read model, or live if that is past its freshness bound.

Reads: read_model.invoices; WHMCS invoices; portal.captures. Writes: ingest.inbox.
"""

import asyncio
from collections.abc import Sequence
from typing import Any

from msgspec import Struct

from app.clock import now
from app.commands.billing import captures
from app.commands.execution.context import Actor, Context
from app.errors import Conflict, NotFound, UpstreamNotFound, Violation
from app.ingest.inbox.pending import Pending
from app.integrations.whmcs.records import WhmcsRecord, change
from app.readmodels.freshness import BOUND_SECONDS
from app.readmodels.invoices import PAYABLE, status_of
from app.words.sentence import say
from app.words.worded import sentence_in

REASONS = {
    "paid": ("invoice_paid", say("billing.already_paid")),
    "cancelled": ("invoice_cancelled", say("billing.cancelled")),
    "refunded": ("invoice_refunded", say("billing.refunded")),
    "payment_pending": (
        "invoice_payment_pending",
        say("billing.payment_processing"),
    ),
    "collections": ("invoice_collections", say("billing.collections")),
}
"""Statuses in which WHMCS accepts no payment from the customer → code and sentence."""
UNCLEAR = ("invoice_status_unknown", say("billing.unclear"))


class OpenInvoice(Struct, frozen=True):
    """The facts about an invoice that are needed before it is paid."""

    invoice_id: str
    status: str


async def own_invoices(ctx: Context, actor: Actor, invoice_ids: Sequence[str]) -> list[OpenInvoice]:
    """Return the account's own invoices of these ids, in order; read live if past their freshness bound.

    Raises:
        NotFound: `invoice_not_found`, one is absent, a draft, or another account's.
        UpstreamError: WHMCS had to be read and did not answer.
    """
    rows = await rows_of(ctx, actor, invoice_ids)
    return await asyncio.gather(*(_verified(ctx, actor, row) for row in rows))


async def rows_of(ctx: Context, actor: Actor, invoice_ids: Sequence[str]) -> list[Any]:
    """Return the same invoices from the read model: invoice_id, status, currency, as_of.

    Raises:
        NotFound: `invoice_not_found`.
    """
    rows = await ctx.pool.fetch(
        "SELECT invoice_id, status, currency, as_of FROM read_model.invoices "
        "WHERE account_id = $1 AND invoice_id = ANY($2::text[]) AND status <> 'draft'",
        actor.account_id_or_refuse(),
        list(invoice_ids),
    )
    known = {row["invoice_id"]: row for row in rows}
    if any(invoice_id not in known for invoice_id in invoice_ids):
        raise _not_found()
    return [known[invoice_id] for invoice_id in invoice_ids]


async def _verified(ctx: Context, actor: Actor, row: Any) -> OpenInvoice:
    if (now() - row["as_of"]).total_seconds() <= BOUND_SECONDS["invoice"]:
        return OpenInvoice(row["invoice_id"], row["status"])
    return OpenInvoice(row["invoice_id"], (await read(ctx, actor, row["invoice_id"], row["currency"])).status)


class Live(Struct, frozen=True):
    """An invoice as WHMCS has it now. Once `submission` is settled, the read model has it too."""

    record: WhmcsRecord
    submission: int | None

    @property
    def status(self) -> str:
        """The portal's word for WHMCS's status."""
        return status_of(self.record.data["status"])


async def read(ctx: Context, actor: Actor, invoice_id: str, currency: str, write: Pending | None = None) -> Live:
    """Read an invoice from WHMCS and submit it to the read model. `write` is pending until that shows.

    Raises:
        NotFound: absent, a draft, or another account's by now.
        UpstreamError: WHMCS did not answer.
    """
    read_at = now()
    try:
        found = await ctx.whmcs.own_invoice(invoice_id, actor.whmcs_client_id, currency)
    except UpstreamNotFound as error:
        raise _not_found() from error
    read_now = [change(found, origin="command", read_at=read_at)]
    live = Live(found, await ctx.inbox.submit(read_now, pending=[write] if write else []))
    if live.status == "draft":  # withdrawn by staff, and hidden from the customer until it is issued again
        raise _not_found()
    return live


async def refuse_unpayable(ctx: Context, invoices: Sequence[OpenInvoice], field: str = "invoice_id") -> None:
    """Refuse invoices that are not open, or for which a charge is in progress.

    Raises:
        Conflict: `invoice_not_payable` with the reason of each; `payment_in_progress`.
    """
    problems = [
        Violation(field.format(number), *REASONS.get(each.status, UNCLEAR))
        for number, each in enumerate(invoices)
        if each.status not in PAYABLE
    ]
    if problems:
        sentence = sentence_in(problems[0], "message") if len(invoices) == 1 else say("billing.some_not_payable")
        raise Conflict(sentence, code="invoice_not_payable", errors=problems)
    for each in invoices:
        if await captures.is_stated_charged(ctx.pool, each.invoice_id):
            code, sentence = REASONS["payment_pending"]
            violation = Violation(field.format(invoices.index(each)), code, sentence)
            raise Conflict(sentence, code="invoice_not_payable", errors=[violation])
        sent = await captures.last(ctx.pool, each.invoice_id)
        if sent and sent.open_for_seconds:
            raise in_progress(sent.open_for_seconds)


def _not_found() -> NotFound:
    """Return one answer for absent invoices and those of other accounts."""
    return NotFound(say("billing.invoice_not_found"), code="invoice_not_found")


def in_progress(wait_seconds: float) -> Conflict:
    """Return the refusal for an invoice whose charge is in progress or has an unknown outcome."""
    return Conflict(
        say("billing.payment_checked"),
        code="payment_in_progress",
        retry_after_seconds=max(int(wait_seconds), 2),
    )
