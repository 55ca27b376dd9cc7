"""An account's orders, those that are pending included.

Reads: read_model.orders, read_model.pending and what `standing` and `links` read. Fresh as of the change feed's last
answer.
"""

from uuid import UUID

import msgspec

from app.errors import NotFound
from app.queries.reading import detail, page
from app.queries.reading.links import linked
from app.queries.reading.slice_age import of_salesforce
from app.queries.reading.store import Answer, Store, answered, etag_of
from app.readmodels.orders import OrderStatus

LISTING = page.Listing("orders", "order_id", "text")
ORDER = detail.Detail("orders", "order_id", "account_history", "order_not_found", "There is no such order.")


async def list_orders(
    store: Store, account_id: UUID, which: page.Page, cursor: page.Cursor, status: OrderStatus | None = None
) -> Answer:
    """Newest first; `status` is the customer's word for it. Orders just placed come first, marked `pending`."""
    where = [("status = {}", status)] if status else []
    standing = await of_salesforce(store, account_id, "orders")
    pending = await _pending(store, account_id) if status in (None, "in_review") and not which.after else []
    return await page.answer(store, account_id, LISTING, standing, which, cursor, where, pending)


async def order(store: Store, account_id: UUID, order_id: str) -> Answer:
    """One order in full, with what it led to.

    Raises:
        NotFound: absent, or another account's.
    """
    return await linked(store, account_id, "order", order_id, _order(store, account_id, order_id))


async def _order(store: Store, account_id: UUID, order_id: str) -> Answer:
    standing = await of_salesforce(store, account_id, "orders")
    row = await detail.row_of(store, account_id, ORDER, order_id)
    if row is not None:
        source = msgspec.structs.replace(standing.source, as_of=max(row["as_of"], standing.source.as_of))
        return answered(row["document"], etag_of(row["document"]), source, parked_at=row["parked_at"])
    document = await store.pool.fetchval(
        "SELECT document FROM read_model.pending WHERE account_id = $1 AND slice = 'orders' AND item_id = $2",
        account_id,
        order_id,
    )
    if document is None:
        raise NotFound(ORDER.missing, code=ORDER.missing_code)
    return answered(document, etag_of(document), standing.source)


async def _pending(store: Store, account_id: UUID) -> list[bytes]:
    """Orders that Salesforce took and the read model does not show yet."""
    rows = await store.pool.fetch(
        "SELECT p.summary FROM read_model.pending p WHERE p.account_id = $1 AND p.slice = 'orders' AND NOT EXISTS "
        "(SELECT FROM read_model.orders o WHERE o.account_id = $1 AND o.order_id = p.item_id) "
        "ORDER BY p.created_at DESC LIMIT 20",
        account_id,
    )
    return [row["summary"] for row in rows]
