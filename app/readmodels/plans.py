"""The plans that a running service can be changed to: one set of rules for listing and for ordering them.

Prices and directions are those of what will be billed: in the service's own currency and billing cycle.

Reads: read_model.catalog, prices, subscriptions.
"""

from decimal import Decimal
from typing import Any, Literal

import asyncpg
from msgspec import Struct

from app.intake.billing_cycles import MONTHLY, cycle_of
from app.readmodels.pricing.prices import BilledPrice, BookPrice, OwnPrice, billed_price
from app.readmodels.services import ACTIVE_SIMS, PLAN

Direction = Literal["upgrade", "downgrade"]

_PLANS = f"""
SELECT c.sku, c.name, c.unit_price, c.currency, c.billing_cycle, c.orderable, c.whmcs_product_id AS product_id, c.facts,
       p.offered, p.amount, p.setup_fee
FROM read_model.catalog c LEFT JOIN read_model.prices p ON p.account_id = c.account_id
     AND (p.product_id, p.currency, p.billing_cycle) = (c.whmcs_product_id, $2, $3)
WHERE c.category = $1 AND c.item_class = '{PLAN}' AND c.whmcs_product_id IS NOT NULL AND c.billing_cycle = '{MONTHLY}'
"""
_ABOUT = f"SELECT {ACTIVE_SIMS} AS sims"
SAME = ("sim_plan_type", "internet_offering_type")
"""Facts that a change of plan cannot change: a data SIM makes no calls, and a line keeps its fibre. That the line runs
proves that its address can have it, whatever a later check of availability says."""


class BilledService(Struct, frozen=True, kw_only=True):
    """What the plans of a running service depend on. `amount` is what it is billed per period, None if unknown."""

    account_id: object
    category: str
    product_id: str
    currency: str
    billing_cycle: str
    amount: Decimal | None


class Plan(Struct, frozen=True, kw_only=True):
    """A plan of the catalog. `price` is what the service is billed with it per period, without what tax adds;
    `plan_code` is Freebit's name for it."""

    sku: str
    name: str
    product_id: str
    plan_code: str
    price: Decimal
    currency: str
    billing_cycle: str
    orderable: bool
    facts: dict[str, Any]


class Plans(Struct, frozen=True, kw_only=True):
    """The service's present plan, by SKU, if the catalog lists it; and the plans that fit the service, cheapest first,
    with the direction of a change to each."""

    present_sku: str | None
    present_name: str
    others: list[tuple[Plan, Direction]]


async def plans_for(pool: asyncpg.Pool, service: BilledService) -> Plans:
    """Find the plans for a service.

    A plan without a price in the service's currency and cycle is none for it; and none can be judged where it is
    unknown what the service costs today.
    """
    rows = await pool.fetch(_PLANS, service.category, service.currency.upper(), cycle_of(service.billing_cycle))
    present = next((row for row in rows if row["product_id"] == service.product_id), None)
    paid = service.amount
    if paid is None and present is not None and isinstance(billed := _billed(present, service), BilledPrice):
        paid = billed.amount
    about = await pool.fetchrow(_ABOUT, service.account_id)
    fitting = [row for row in rows if row["product_id"] != service.product_id and _fits(row, present, about)]
    plans = [plan for row in fitting if (plan := _plan(row, service))]
    plans.sort(key=lambda plan: (plan.price, plan.sku))
    return Plans(
        present_sku=present["sku"] if present else None,
        present_name=present["name"] if present else "",
        others=[] if paid is None else [(plan, _direction(plan.price, paid)) for plan in plans],
    )


def _direction(price: Decimal, paid: Decimal) -> Direction:
    return "upgrade" if price >= paid else "downgrade"


def _fits(wanted: Any, present: Any, about: Any) -> bool:
    """Return true if a service can be changed to this plan.

    A family plan needs another active SIM. A present plan that the catalog does not list has unknown facts, so nothing
    that depends on them fits.
    """
    if not wanted["orderable"]:
        return False
    facts = present["facts"] if present is not None else {}
    if any(wanted["facts"].get(fact) != facts.get(fact) for fact in SAME):
        return False
    return not wanted["facts"].get("sim_has_family_discount") or about["sims"] >= 2


def _plan(row: Any, service: BilledService) -> Plan | None:
    billed = _billed(row, service)
    if not isinstance(billed, BilledPrice):
        return None
    return Plan(
        sku=row["sku"],
        name=row["name"],
        product_id=row["product_id"],
        plan_code=str(row["facts"].get("sim_plan_code") or ""),
        price=billed.amount,
        currency=service.currency,
        billing_cycle=cycle_of(service.billing_cycle),
        orderable=row["orderable"],
        facts=row["facts"],
    )


def _billed(row: Any, service: BilledService) -> BilledPrice | str:
    book = BookPrice(amount=row["unit_price"], currency=row["currency"], billing_cycle=row["billing_cycle"])
    known = row["offered"] is not None
    own = OwnPrice(offered=row["offered"], amount=row["amount"], setup_fee=row["setup_fee"]) if known else None
    return billed_price(book, own, service.currency, service.billing_cycle)
