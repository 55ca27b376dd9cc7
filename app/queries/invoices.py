"""An account's invoices.

*Overdue* is computed when an invoice is read: unpaid, and due before the customer's today. No event comes at midnight.

Reads: read_model.invoices, charges, profiles and what `slice_age` reads.
"""

from collections.abc import Collection
from datetime import date
from functools import lru_cache
from typing import Any
from uuid import UUID

import msgspec
from msgspec import Struct, structs

from app.calendar import today
from app.errors import NotFound
from app.queries.charges import on_lines
from app.queries.reading import page, pending_writes
from app.queries.reading.detail import WHMCS_AWAY
from app.queries.reading.filters import one_of, searched
from app.queries.reading.links import linked
from app.queries.reading.slice_age import of_whmcs
from app.queries.reading.store import Answer, AnswerSource, FetchedRow, Store, build_answer, etag_of
from app.readmodels.charges import SUBSCRIPTION_OF
from app.readmodels.documents import with_members
from app.readmodels.invoices import OPEN, BillingAddress, InvoiceContext, InvoiceStatus
from app.readmodels.profiles import Profile
from app.words.sentence import say

NEWEST = page.Listing("invoices", "sort_id", "bigint")
_ISSUED = ("coalesce(issued_on, 'epoch'::date)", "date")
_DUE = ("coalesce(due_on, 'infinity'::date)", "date")
_TOTAL = ("coalesce(total, 0)", "numeric")
SORTS = {
    "issued_on": structs.replace(NEWEST, lead=_ISSUED, descending=False),
    "-issued_on": structs.replace(NEWEST, lead=_ISSUED),
    "due_on": structs.replace(NEWEST, lead=_DUE, descending=False),
    "-due_on": structs.replace(NEWEST, lead=_DUE),
    "total": structs.replace(NEWEST, lead=_TOTAL, descending=False),
    "-total": structs.replace(NEWEST, lead=_TOTAL),
}
"""Sort orders by name; a minus means descending. The default is newest first by number."""

_OVERDUE = "status = 'unpaid' AND due_on < DATE '{today}'"
_WITH_OVERDUE = """
overlay({column} PLACING CASE WHEN {overdue} THEN ',"overdue":true}}'::bytea ELSE ',"overdue":false}}' END
        FROM length({column}))
"""
_DETAIL = f"""
SELECT t.document, t.as_of, t.status, t.due_on, p.country, p.document AS profile, p.as_of AS profile_as_of,
       p.billing_contact_id, p.whmcs_client_id,
       ARRAY(SELECT c.invoice_id FROM read_model.invoices c WHERE c.account_id = $1 AND c.collective
             AND c.status NOT IN ('draft', 'cancelled') AND convert_from(c.document, 'UTF8')::jsonb
             @> jsonb_build_object('items', jsonb_build_array(jsonb_build_object('invoice_id', $2::text)))
             ORDER BY c.sort_id) AS collected_by,
       (SELECT min(p.parked_at) FROM read_model.parked p WHERE p.account_id = $1 AND p.record_id = $2) AS parked_at,
       {WHMCS_AWAY} AS away
FROM read_model.invoices t LEFT JOIN read_model.profiles p ON p.account_id = t.account_id
WHERE t.account_id = $1 AND t.invoice_id = $2 AND t.status <> 'draft'
"""
_NO_CONTACT = "0"


_BILLS = f"""string_to_array(subscription_ids, ' ') && (ARRAY[{{0}}::text] || ARRAY(
    SELECT charge_id FROM read_model.charges WHERE account_id = ANY($1) AND {SUBSCRIPTION_OF} = {{0}}))"""
"""An invoice bills a subscription also with a fee that was ordered with it."""


class InvoiceFilter(Struct, frozen=True, kw_only=True):
    """Filters by status, day of issue, billed subscription and text, and a sort order."""

    statuses: Collection[InvoiceStatus] = ()
    text: str | None = None
    issued_from: date | None = None
    issued_to: date | None = None
    subscription_id: str | None = None
    sort: str | None = None


ALL = InvoiceFilter()


async def list_invoices(
    store: Store, account_id: UUID, which: page.Page, cursor: page.Cursor, wanted: InvoiceFilter = ALL
) -> Answer:
    """List invoices, newest first unless sorted otherwise.

    Drafts are internal to WHMCS and never shown; nor are invoices that only collect others, which WHMCS hides as well.
    """
    freshness = await of_whmcs(store, account_id, "invoices", "client_invoices")
    listing, overdue = _on(today(freshness.country, store.time_zone), wanted.sort or "")
    found = await page.answer(store, account_id, listing, freshness, which, cursor, _where(wanted, overdue))
    return pending_writes.added(found, freshness.writes)


@lru_cache(maxsize=64)
def _on(day: date, sort: str) -> tuple[page.Listing, str]:
    """Return the listing as of a day, and the condition for what is overdue on that day."""
    overdue = _OVERDUE.format(today=day)
    return structs.replace(
        SORTS.get(sort, NEWEST), body=_WITH_OVERDUE.format(column="summary", overdue=overdue)
    ), overdue


def _where(wanted: InvoiceFilter, overdue: str) -> list[tuple[str, Any]]:
    where: list[tuple[str, Any]] = [("collective = {}", False), ("status <> {}", "draft")]
    where += [*_of_status(wanted.statuses, overdue), *searched(wanted.text)]
    if wanted.issued_from:
        where.append(("issued_on >= {}", wanted.issued_from))
    if wanted.issued_to:
        where.append(("issued_on <= {}", wanted.issued_to))
    if wanted.subscription_id:
        where.append((_BILLS, wanted.subscription_id))
    return where


def _of_status(statuses: Collection[InvoiceStatus], overdue: str) -> list[tuple[str, Any]]:
    """Return the condition for the statuses, of which `overdue` is none of the read model's own."""
    if "overdue" not in statuses:
        return one_of("status", statuses)
    others = tuple(sorted(set(statuses) - {"overdue"}))
    return [(f"(({overdue}) OR status = ANY({{}}::text[]))", others)]


async def invoice(store: Store, account_id: UUID, invoice_id: str) -> Answer:
    """Read one invoice in full, with links to what it bills.

    Raises:
        NotFound: absent, or another account's.
    """

    async def read() -> Answer:
        lines = on_lines(store, account_id, _invoice(store, account_id, invoice_id))
        return await linked(store, account_id, "invoice", invoice_id, lines)

    return await pending_writes.beside(store, account_id, "invoices", read, item_id=invoice_id)


async def _invoice(store: Store, account_id: UUID, invoice_id: str) -> Answer:
    row = await store.pool.fetchrow(_DETAIL, account_id, invoice_id)
    if row is None:
        raise NotFound(say("billing.invoice_not_found"), code="invoice_not_found")
    late = row["status"] == "unpaid" and bool(row["due_on"]) and row["due_on"] < today(row["country"], store.time_zone)
    more = InvoiceContext(overdue=late, billing_address=_billing_address(row), collected_by=row["collected_by"])
    document = with_members(row["document"], msgspec.json.encode(more)[1:-1])
    sources = [AnswerSource("invoice", invoice_id, row["as_of"], away=row["away"])]
    if more.billing_address is not None:
        sources.append(AnswerSource("client", row["whmcs_client_id"], row["profile_as_of"], away=row["away"]))
    return build_answer(document, etag_of(document), *sources, parked_at=row["parked_at"])


def _billing_address(row: FetchedRow) -> BillingAddress | None:
    """Return the address on an invoice, if it is known: the client's present one while the invoice is open.

    Neither the address on a settled invoice nor that of a contact that invoices are sent to can be read from WHMCS.
    """
    if row["status"] not in OPEN or row["billing_contact_id"] != _NO_CONTACT:
        return None
    profile = msgspec.json.decode(row["profile"], type=Profile)
    names = ("first_name", "last_name", "company")
    return BillingAddress(**{name: getattr(profile, name) for name in names}, **msgspec.structs.asdict(profile.address))
