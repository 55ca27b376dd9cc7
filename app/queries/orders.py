"""An account's orders.

Reads: read_model.orders. Fresh as of the change feed's last answer.
"""

from uuid import UUID

from app.errors import NotFound
from app.queries import page
from app.queries.store import Answer, Store, etag_of, feed_as_of, with_age

LISTING = page.Listing("orders", "order_id", "text")
STATUSES = (
    "in_review",
    "approved",
    "activating",
    "awaiting_payment_method",
    "paused",
    "active",
    "cancelled",
    "rejected",
)


async def list_orders(
    store: Store, account_id: UUID, which: page.Page, cursor: page.Cursor, status: str | None = None
) -> Answer:
    """Newest first; `status` is the customer's word for it."""
    where = [("status = {}", status)] if status else []
    complete = await page.answer(store, account_id, LISTING, which, cursor, where)
    return complete(await feed_as_of(store), ())


async def order(store: Store, account_id: UUID, order_id: str) -> Answer:
    """One order in full.

    Raises:
        NotFound: absent, or another account's.
    """
    row = await store.pool.fetchrow(
        "SELECT document, as_of FROM read_model.orders WHERE account_id = $1 AND order_id = $2", account_id, order_id
    )
    if row is None:
        raise NotFound("There is no such order.", code="order_not_found")
    as_of = max(row["as_of"], await feed_as_of(store))
    return Answer(with_age(row["document"], as_of, False), etag_of(row["document"], 1), as_of)
