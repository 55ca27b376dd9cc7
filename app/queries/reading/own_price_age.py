"""Freshness of the billing system's own prices and tax settings, which every answer with a price depends on.

Reads: document `tax`, read_model.upstreams, parked.
"""

from app.queries.reading.store import AnswerSource, Store
from app.readmodels import documents
from app.readmodels.pricing.tax import DOCUMENT
from app.readmodels.table import GLOBAL_ACCOUNT


async def own_price_sources(store: Store) -> tuple[AnswerSource, ...]:
    """Return the list of products as a source; none until it was read, because nothing of it shows then."""
    found = await documents.read_with_freshness(
        store.pool, GLOBAL_ACCOUNT, DOCUMENT, upstream="whmcs", feed=store.catalog_feed
    )
    if found is None:
        return ()
    return (AnswerSource("products", "all", found["as_of"], away=found["away"]),)
