"""Which plans a service can be changed to, and whether that is more or less than it has.

Reads: read_model.catalog, subscriptions, eligibility.
"""

from decimal import Decimal
from typing import Any, Literal

from msgspec import Struct

from app.commands.context import Context
from app.commands.services.owned import Service
from app.errors import Conflict, RuleViolated, Violation

Direction = Literal["upgrade", "downgrade"]

_PLANS = """
SELECT c.sku, c.name, c.unit_price, c.currency, c.orderable, c.whmcs_product_id AS product_id, c.facts
FROM read_model.catalog c
WHERE c.category = $1 AND c.item_class = 'service' AND c.whmcs_product_id IS NOT NULL AND c.billing_cycle = 'monthly'
ORDER BY c.unit_price, c.sku
"""
_ABOUT = """
SELECT (SELECT internet_offering FROM read_model.eligibility WHERE account_id = $1) AS offering,
       (SELECT count(*) FROM read_model.subscriptions
        WHERE account_id = $1 AND category = 'sim' AND status = 'active') AS sims
"""
SAME = ("sim_plan_type", "internet_offering_type")
"""Facts that a change of plan cannot change: a data SIM makes no calls, and a line has the fibre it has."""


class Plan(Struct, frozen=True, kw_only=True):
    """A plan of the catalog; `price` is a month's without tax, `plan_code` Freebit's name for it."""

    sku: str
    name: str
    product_id: str
    plan_code: str
    price: Decimal
    currency: str
    orderable: bool
    facts: dict[str, Any]


async def target(ctx: Context, service: Service, sku: str) -> tuple[Plan, Direction]:
    """The plan that the caller names, if this service can have it.

    Raises:
        Conflict: `same_plan`.
        RuleViolated: `plan_not_available`.
    """
    plans = [_plan(row) for row in await ctx.pool.fetch(_PLANS, service.category)]
    present = next((plan for plan in plans if plan.product_id == service.product_id), None)
    wanted = next((plan for plan in plans if plan.sku == sku and plan.orderable), None)
    if wanted is not None and wanted.product_id == service.product_id:
        raise Conflict(f"This service has the plan {wanted.name} already.", code="same_plan")
    about = await ctx.pool.fetchrow(_ABOUT, service.account_id)
    if wanted is None or not _fits(wanted, present, about):
        raise not_available()
    before = present.price if present else Decimal(service.amount.amount)
    return wanted, "upgrade" if wanted.price >= before else "downgrade"


def not_available() -> RuleViolated:
    """This service cannot have that plan."""
    sentence = "This service cannot be changed to that plan. Please choose another one."
    return RuleViolated(sentence, code="plan_not_available", errors=[Violation("sku", "plan_not_available", sentence)])


def _fits(wanted: Plan, present: Plan | None, about: Any) -> bool:
    if present is not None and any(wanted.facts.get(fact) != present.facts.get(fact) for fact in SAME):
        return False
    if wanted.facts.get("sim_has_family_discount") and about["sims"] < 2:
        return False
    offering = wanted.facts.get("internet_offering_type")
    return not offering or about["offering"] in (None, offering)


def _plan(row: Any) -> Plan:
    fields = dict(row)
    facts = fields["facts"]
    return Plan(price=fields.pop("unit_price"), plan_code=str(facts.get("sim_plan_code") or ""), **fields)
