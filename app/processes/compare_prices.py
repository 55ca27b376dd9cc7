"""A clock job: compare the price book with the billing system's prices, for the metric of their drift.

Reads: mirror.records, read_model.prices. Writes: ingest.progress.
"""

import structlog
from msgspec import to_builtins

from app.db import rows
from app.events import Record
from app.ingest import progress
from app.ingest.lag.measure import PRICE_DRIFT
from app.projections.parts.price_drift import comparisons, counted, own_by_currency
from app.resources import Resources

_RECORDS = (
    "SELECT source, object, record_id, version, occurred_at, verified_at, data FROM mirror.records "
    "WHERE source = 'salesforce' AND object = $1 AND NOT deleted"
)
_OWN = "SELECT product_id, currency, billing_cycle, offered, amount, setup_fee FROM read_model.prices"

log = structlog.get_logger()


async def compare_prices(resources: Resources) -> str:
    """Compare, and store the counts; nothing is counted until both sides were read."""
    own = own_by_currency([dict(row) for row in await resources.pool.fetch(_OWN)])
    if not own:
        return "WHMCS's prices were not read yet"
    products, entries = [await rows(resources.pool, Record, _RECORDS, name) for name in ("Product2", "PricebookEntry")]
    settings = resources.settings
    compared = list(
        comparisons(
            products,
            entries,
            own,
            pricebook_id=settings.salesforce_pricebook_id,
            currency=settings.salesforce_currency,
        )
    )
    found = counted(compared)
    differing = sum(each.differing for each in found)
    if differing:
        log.warning("prices_differ", differing=differing, compared=len(compared))
    await progress.save(resources.pool, PRICE_DRIFT, {"counts": to_builtins(found)})
    return f"{differing:,} prices differ" if differing else ""
