"""The plans that a subscription can be changed to.

Only WHMCS knows what a plan costs for the rest of the period: that is a live call (`POST …/preview`).

Reads: read_model.subscriptions, catalog, prices, profiles, eligibility, and what their freshness depends on.
"""

from uuid import UUID

import msgspec
from msgspec import Struct

from app.errors import NotFound
from app.intake.billing_cycles import CycleWord
from app.money import Money, money
from app.queries.reading.detail import WHMCS_AWAY
from app.queries.reading.own_price_age import own_price_sources
from app.queries.reading.slice_age import feed_source
from app.queries.reading.store import Answer, AnswerSource, FetchedRow, Store, build_answer, etag_of
from app.queries.subscriptions import SUBSCRIPTION
from app.readmodels.plans import BilledService, Direction, plans_for
from app.readmodels.pricing.tax import TaxWord
from app.readmodels.pricing.terms import terms_of
from app.readmodels.services import provided_as

_SERVICE = f"""
SELECT s.category, s.item_class, s.product_id, s.status, s.amount, s.currency, s.billing_cycle, s.as_of,
       e.as_of AS feed_as_of, e.silent_since, m.salesforce_account_id, {WHMCS_AWAY} AS away,
       (SELECT min(p.parked_at) FROM read_model.parked p WHERE p.account_id = $1 AND p.record_id = $2) AS parked_at
FROM read_model.subscriptions s LEFT JOIN read_model.feeds e ON e.feed = $3
LEFT JOIN portal.id_mappings m ON m.account_id = s.account_id
WHERE s.account_id = $1 AND s.subscription_id = $2
"""


class OtherPlan(Struct, frozen=True, kw_only=True):
    """A plan with the price that this subscription would be billed per `billing_cycle`, with and without consumption
    tax; `price_with_tax` is null where the rate is unknown."""

    sku: str
    name: str
    direction: Direction
    billing_cycle: CycleWord
    price: Money
    price_with_tax: Money | None
    tax: TaxWord
    tax_rate: str | None


class OtherPlans(Struct, frozen=True, kw_only=True):
    """The present plan's SKU, and the other plans, cheapest first; none while the service is not active."""

    sku: str | None
    items: list[OtherPlan]


async def plans(store: Store, account_id: UUID, subscription_id: str) -> Answer:
    """List the plans that this subscription can be changed to.

    Raises:
        NotFound: absent, or another account's.
    """
    row = await store.pool.fetchrow(_SERVICE, account_id, subscription_id, store.catalog_feed)
    if row is None:
        raise NotFound(SUBSCRIPTION.missing, code=SUBSCRIPTION.missing_code)
    found = await plans_for(store.pool, _billed(account_id, row))
    tax = (await terms_of(store.pool, store.tax_rates, account_id)).tax
    items = [
        OtherPlan(
            sku=plan.sku,
            name=plan.name,
            direction=direction,
            billing_cycle=row["billing_cycle"],
            price=money(plan.price, plan.currency),
            price_with_tax=tax.with_tax(plan.price, plan.currency),
            tax=tax.word,
            tax_rate=tax.shown_rate,
        )
        for plan, direction in (found.others if row["status"] == "active" else ())
    ]
    body = msgspec.json.encode(OtherPlans(sku=found.present_sku, items=items))
    service = AnswerSource("service", subscription_id, row["as_of"], away=row["away"])
    feed = feed_source(store, row, "account_history", str(row["salesforce_account_id"]))
    own = await own_price_sources(store)
    return build_answer(body, etag_of(body), service, feed, *own, parked_at=row["parked_at"])


def _billed(account_id: UUID, row: FetchedRow) -> BilledService:
    return BilledService(
        account_id=account_id,
        category=provided_as(row["category"], row["item_class"]),
        product_id=row["product_id"] or "",
        currency=row["currency"],
        billing_cycle=row["billing_cycle"],
        amount=row["amount"],
    )
