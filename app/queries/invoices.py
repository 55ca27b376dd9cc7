"""An account's invoices.

Reads: read_model.invoices, read_model.freshness.
"""

from uuid import UUID

from app.errors import NotFound
from app.queries import page
from app.queries.store import Answer, Store, Verify, client_of, etag_of, past_bound, verified_at, with_age

LISTING = page.Listing("invoices", "sort_id", "bigint")
STATUSES = ("draft", "unpaid", "paid", "cancelled", "refunded", "collections", "payment_pending")


async def list_invoices(
    store: Store,
    account_id: UUID,
    which: page.Page,
    cursor: page.Cursor,
    status: str | None = None,
    subscription_id: str | None = None,
) -> Answer:
    """Newest first. Drafts are WHMCS's own affair and are left out unless asked for."""
    as_of = await verified_at(store, account_id, "client_invoices")
    where: list[tuple[str, object]] = [("status = {}", status)] if status else [("status <> {}", "draft")]
    if subscription_id:
        lines = "convert_from(document, 'UTF8')::jsonb @> jsonb_build_object('items', jsonb_build_array({}))"
        where.append((lines.format("jsonb_build_object('subscription_id', {}::text)"), subscription_id))
    complete = await page.answer(store, account_id, LISTING, which, cursor, where)
    if not past_bound("client_invoices", as_of):
        return complete(as_of, ())
    return complete(as_of, (Verify("client_invoices", await client_of(store, account_id), as_of),))


async def invoice(store: Store, account_id: UUID, invoice_id: str) -> Answer:
    """One invoice in full.

    Raises:
        NotFound: absent, or another account's.
    """
    row = await store.pool.fetchrow(
        "SELECT document, as_of FROM read_model.invoices WHERE account_id = $1 AND invoice_id = $2",
        account_id,
        invoice_id,
    )
    if row is None:
        raise NotFound("Invoice not found.", code="invoice_not_found")
    stale = past_bound("invoice", row["as_of"])
    verify = (Verify("invoice", invoice_id, row["as_of"]),) if stale else ()
    return Answer(
        with_age(row["document"], row["as_of"], stale), etag_of(row["document"], 1), row["as_of"], stale, verify
    )
