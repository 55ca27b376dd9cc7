"""An account's payment methods, and the available gateways.

Reads: read_model.payment_methods, document `payment-gateways` and what `slice_age` reads.
"""

from uuid import UUID

from app.queries.reading import page
from app.queries.reading.slice_age import of_whmcs
from app.queries.reading.store import Answer, AnswerSource, Store, build_answer
from app.queries.reading.unready import not_ready
from app.readmodels import documents
from app.readmodels.gateways import DOCUMENT
from app.readmodels.table import GLOBAL_ACCOUNT

LISTING = page.Listing("payment_methods", "sort_id", "bigint", body="document")


async def list_payment_methods(store: Store, account_id: UUID, which: page.Page, cursor: page.Cursor) -> Answer:
    """List payment methods, newest first."""
    freshness = await of_whmcs(store, account_id, "payment_methods", "pay_methods")
    return await page.answer(store, account_id, LISTING, freshness, which, cursor)


async def gateways(store: Store) -> Answer:
    """List the gateways of the installation, the same for everyone."""
    found = await documents.read_with_freshness(
        store.pool, GLOBAL_ACCOUNT, DOCUMENT, upstream="whmcs", feed=store.catalog_feed
    )
    if found is None:
        raise await not_ready(store, GLOBAL_ACCOUNT, "whmcs", "gateways")
    body = documents.with_members(found["body"], b'"next_cursor":null')
    source = AnswerSource("gateways", "all", found["as_of"], away=found["away"])
    return build_answer(body, found["etag"], source, parked_at=found["parked_at"])
