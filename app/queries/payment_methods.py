"""An account's payment methods, and the gateways there are.

Reads: read_model.payment_methods, read_model.freshness, document `payment-gateways`.
"""

from uuid import UUID

from app.errors import NotReady
from app.queries import page
from app.queries.store import Answer, Store, Verify, client_of, past_bound, verified_at, with_age
from app.readmodels import documents
from app.readmodels.gateways import DOCUMENT
from app.readmodels.table import GLOBAL_ACCOUNT

LISTING = page.Listing("payment_methods", "sort_id", "bigint", body="document")


async def list_payment_methods(store: Store, account_id: UUID, which: page.Page, cursor: page.Cursor) -> Answer:
    """Newest first."""
    as_of = await verified_at(store, account_id, "pay_methods")
    complete = await page.answer(store, account_id, LISTING, which, cursor)
    if not past_bound("pay_methods", as_of):
        return complete(as_of, ())
    return complete(as_of, (Verify("pay_methods", await client_of(store, account_id), as_of),))


async def gateways(store: Store) -> Answer:
    """The gateways of the installation, the same for everyone."""
    found = await documents.read(store.pool, store.redis, GLOBAL_ACCOUNT, DOCUMENT)
    if found is None:
        raise NotReady
    stale = past_bound("gateways", found.as_of)
    verify = (Verify("gateways", "all", found.as_of),) if stale else ()
    body = found.body[:-1] + b',"next_cursor":null}'
    return Answer(with_age(body, found.as_of, stale), found.etag, found.as_of, stale, verify)
