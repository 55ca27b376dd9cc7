"""An account's invoices.

Reads: read_model.invoices and what `standing` reads.
"""

from uuid import UUID

from app.queries import detail, page
from app.queries.standing import of_whmcs
from app.queries.store import Answer, Store

LISTING = page.Listing("invoices", "sort_id", "bigint")
INVOICE = detail.Detail("invoices", "invoice_id", "invoice", "invoice_not_found", "Invoice not found.")
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
    where: list[tuple[str, object]] = [("status = {}", status)] if status else [("status <> {}", "draft")]
    if subscription_id:
        lines = "convert_from(document, 'UTF8')::jsonb @> jsonb_build_object('items', jsonb_build_array({}))"
        where.append((lines.format("jsonb_build_object('subscription_id', {}::text)"), subscription_id))
    standing = await of_whmcs(store, account_id, "invoices", "client_invoices")
    return await page.answer(store, account_id, LISTING, standing, which, cursor, where)


async def invoice(store: Store, account_id: UUID, invoice_id: str) -> Answer:
    """One invoice in full.

    Raises:
        NotFound: absent, or another account's.
    """
    return await detail.whmcs(store, account_id, INVOICE, invoice_id)
