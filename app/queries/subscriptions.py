"""An account's subscriptions.

Reads: read_model.subscriptions, charges and what `slice_age` reads.
"""

from collections.abc import Collection
from uuid import UUID

from app.queries.charges import with_charges
from app.queries.reading import detail, page, pending_writes
from app.queries.reading.filters import one_of, searched
from app.queries.reading.links import linked
from app.queries.reading.slice_age import of_whmcs
from app.queries.reading.store import Answer, Store
from app.readmodels.subscriptions import ServiceStatus
from app.words.sentence import say

LISTING = page.Listing("subscriptions", "sort_id", "bigint")
SUBSCRIPTION = detail.Detail(
    "subscriptions", "subscription_id", "service", "subscription_not_found", say("subscriptions.not_found")
)


async def list_subscriptions(
    store: Store,
    account_id: UUID,
    which: page.Page,
    cursor: page.Cursor,
    statuses: Collection[ServiceStatus] = (),
    text: str | None = None,
) -> Answer:
    """List subscriptions, newest first, optionally of some statuses and with some text."""
    where = [*one_of("status", statuses), *searched(text)]
    freshness = await of_whmcs(store, account_id, "subscriptions", "client_services")
    found = await page.answer(store, account_id, LISTING, freshness, which, cursor, where)
    return pending_writes.added(found, freshness.writes)


async def subscription(store: Store, account_id: UUID, subscription_id: str) -> Answer:
    """Read one subscription, with links to its order and the invoices that bill it, and its charges.

    Raises:
        NotFound: absent, or another account's.
    """

    async def read() -> Answer:
        found = detail.whmcs(store, account_id, SUBSCRIPTION, subscription_id)
        whole = linked(store, account_id, "subscription", subscription_id, found)
        return await with_charges(store, account_id, subscription_id, whole)

    return await pending_writes.beside(store, account_id, "subscriptions", read, item_id=subscription_id)
