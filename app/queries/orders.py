"""An account's orders, including pending ones.

Prices are shown only in the currency that the account is billed in, or was when they were agreed.

Reads: read_model.orders, read_model.pending, profiles and what `slice_age` and `links` read. As fresh as the change
feed's last answer.
"""

from collections.abc import Collection
from functools import partial
from uuid import UUID

import msgspec

from app.errors import NotFound
from app.intake.words import folded
from app.queries.order_prices import as_billed
from app.queries.reading import detail, page, pending_writes
from app.queries.reading.filters import one_of, searched
from app.queries.reading.links import linked
from app.queries.reading.slice_age import of_salesforce
from app.queries.reading.store import Answer, Store, build_answer, etag_of
from app.readmodels.ordering.order_life import OrderStatus
from app.readmodels.orders import Order, OrderSummary
from app.words.sentence import say

LISTING = page.Listing("orders", "order_id", "text")
ORDER = detail.Detail("orders", "order_id", "account_history", "order_not_found", say("orders.not_found"))


async def list_orders(
    store: Store,
    account_id: UUID,
    which: page.Page,
    cursor: page.Cursor,
    statuses: Collection[OrderStatus] = (),
    text: str | None = None,
) -> Answer:
    """List orders, newest first, optionally of some statuses and with some text. Orders just placed come first, marked
    `pending`."""
    where = [*one_of("status", statuses), *searched(text)]
    freshness = await of_salesforce(store, account_id, "orders")
    wanted = (not statuses or "in_review" in statuses) and (which.counted or not which.after)
    pending = await _pending(store, account_id, folded(text)) if wanted else []
    render = partial(as_billed, shape=OrderSummary, currency=freshness.currency)
    found = await page.answer(store, account_id, LISTING, freshness, which, cursor, where, pending, render)
    return pending_writes.added(found, freshness.writes)


async def order(store: Store, account_id: UUID, order_id: str) -> Answer:
    """Read one order in full, with links to its subscriptions and invoices.

    Raises:
        NotFound: absent, or another account's.
    """

    async def read() -> Answer:
        return await linked(store, account_id, "order", order_id, _order(store, account_id, order_id))

    return await pending_writes.beside(store, account_id, "orders", read, item_id=order_id)


async def _order(store: Store, account_id: UUID, order_id: str) -> Answer:
    freshness = await of_salesforce(store, account_id, "orders")
    row = await detail.row_of(store, account_id, ORDER, order_id)
    if row is not None:
        source = msgspec.structs.replace(freshness.source, as_of=max(row["as_of"], freshness.source.as_of))
        body = as_billed(row["document"], Order, freshness.currency)
        return build_answer(body, etag_of(body), source, parked_at=row["parked_at"])
    document = await store.pool.fetchval(
        "SELECT document FROM read_model.pending WHERE account_id = $1 AND slice = 'orders' AND item_id = $2 "
        "AND document IS NOT NULL",
        account_id,
        order_id,
    )
    if document is None:
        raise NotFound(ORDER.missing, code=ORDER.missing_code)
    return build_answer(document, etag_of(document), freshness.source)


async def _pending(store: Store, account_id: UUID, text: str) -> list[bytes]:
    """Return orders that Salesforce accepted and the read model does not show yet, with some text if it is not
    empty."""
    rows = await store.pool.fetch(
        "SELECT p.summary FROM read_model.pending p WHERE p.account_id = $1 AND p.slice = 'orders' "
        "AND p.summary IS NOT NULL AND NOT EXISTS "
        "(SELECT FROM read_model.orders o WHERE o.account_id = $1 AND o.order_id = p.item_id) "
        "ORDER BY p.created_at DESC LIMIT 20",
        account_id,
    )
    return [row["summary"] for row in rows if not text or _contains(row["summary"], text)]


def _contains(stored: bytes, text: str) -> bool:
    order = msgspec.json.decode(stored, type=OrderSummary)
    return any(text in folded(part) for part in (order.order_id, *order.item_names))
