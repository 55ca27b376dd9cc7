"""An account's subscriptions.

Reads: read_model.subscriptions, read_model.freshness.
"""

from uuid import UUID

from app.errors import NotFound
from app.queries import page
from app.queries.store import Answer, Store, Verify, client_of, etag_of, past_bound, verified_at, with_age

LISTING = page.Listing("subscriptions", "sort_id", "bigint")
STATUSES = ("pending", "active", "suspended", "terminated", "cancelled", "completed", "fraud")


async def list_subscriptions(
    store: Store, account_id: UUID, which: page.Page, cursor: page.Cursor, status: str | None = None
) -> Answer:
    """Newest first."""
    as_of = await verified_at(store, account_id, "client_services")
    where = [("status = {}", status)] if status else []
    complete = await page.answer(store, account_id, LISTING, which, cursor, where)
    if not past_bound("client_services", as_of):
        return complete(as_of, ())
    return complete(as_of, (Verify("client_services", await client_of(store, account_id), as_of),))


async def subscription(store: Store, account_id: UUID, subscription_id: str) -> Answer:
    """One subscription.

    Raises:
        NotFound: absent, or another account's.
    """
    row = await store.pool.fetchrow(
        "SELECT document, as_of FROM read_model.subscriptions WHERE account_id = $1 AND subscription_id = $2",
        account_id,
        subscription_id,
    )
    if row is None:
        raise NotFound("There is no such subscription.", code="subscription_not_found")
    stale = past_bound("service", row["as_of"])
    verify = (Verify("service", subscription_id, row["as_of"]),) if stale else ()
    return Answer(
        with_age(row["document"], row["as_of"], stale), etag_of(row["document"], 1), row["as_of"], stale, verify
    )
