"""The plans that a running service can be changed to: one set of rules for listing and for ordering them.

Reads: read_model.catalog, subscriptions, eligibility.
"""

from decimal import Decimal
from typing import Any, Literal

import asyncpg
from msgspec import Struct

from app.intake.billing_cycles import MONTHLY
from app.readmodels.services import ACTIVE_SIMS, PLAN

Direction = Literal["upgrade", "downgrade"]

_PLANS = f"""
SELECT c.sku, c.name, c.unit_price, c.currency, c.orderable, c.whmcs_product_id AS product_id, c.facts
FROM read_model.catalog c
WHERE c.category = $1 AND c.item_class = '{PLAN}' AND c.whmcs_product_id IS NOT NULL AND c.billing_cycle = '{MONTHLY}'
ORDER BY c.unit_price, c.sku
"""
_ABOUT = f"""
SELECT (SELECT internet_offering FROM read_model.eligibility WHERE account_id = $1) AS offering,
       {ACTIVE_SIMS} AS sims
"""
SAME = ("sim_plan_type", "internet_offering_type")
"""Facts that a change of plan cannot change: a data SIM makes no calls, and a line keeps its fibre."""


class Plan(Struct, frozen=True, kw_only=True):
    """A plan of the catalog; `price` is per month without tax, `plan_code` is Freebit's name for it."""

    sku: str
    name: str
    product_id: str
    plan_code: str
    price: Decimal
    currency: str
    orderable: bool
    facts: dict[str, Any]


class Plans(Struct, frozen=True, kw_only=True):
    """The service's present plan, if the catalog lists it, and the plans that fit the service, cheapest first."""

    present: Plan | None
    others: list[Plan]

    def direction(self, plan: Plan, amount: Decimal) -> Direction:
        """Compare a plan with the present one, which costs `amount` if the catalog does not list it."""
        return "upgrade" if plan.price >= (self.present.price if self.present else amount) else "downgrade"


async def plans_for(pool: asyncpg.Pool, account_id: object, category: str, product_id: str) -> Plans:
    """Find the plans for an account's service that WHMCS bills as this product."""
    found = [_plan(row) for row in await pool.fetch(_PLANS, category)]
    present = next((plan for plan in found if plan.product_id == product_id), None)
    about = await pool.fetchrow(_ABOUT, account_id)
    others = [plan for plan in found if plan.product_id != product_id and _fits(plan, present, about)]
    return Plans(present=present, others=others)


def _fits(wanted: Plan, present: Plan | None, about: Any) -> bool:
    """Return true if a service can be changed to this plan.

    A family plan needs another active SIM. A present plan that the catalog does not list has unknown facts, so nothing
    that depends on them fits.
    """
    if not wanted.orderable:
        return False
    facts = present.facts if present is not None else {}
    if any(wanted.facts.get(fact) != facts.get(fact) for fact in SAME):
        return False
    if wanted.facts.get("sim_has_family_discount") and about["sims"] < 2:
        return False
    offering = wanted.facts.get("internet_offering_type")
    return not offering or about["offering"] in (None, offering)


def _plan(row: Any) -> Plan:
    fields = dict(row)
    code = fields["facts"].get("sim_plan_code")
    return Plan(price=fields.pop("unit_price"), plan_code=str(code or ""), **fields)
