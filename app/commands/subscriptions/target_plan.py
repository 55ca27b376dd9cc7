"""The plan that a service is to be changed to, if it is available for the service.

Reads: read_model.catalog, subscriptions, eligibility.
"""

from decimal import Decimal

from app.commands.execution.context import Context
from app.commands.subscriptions.service import Service
from app.errors import Conflict, RuleViolated, Violation
from app.readmodels.plans import Direction, Plan, plans_for


async def target(ctx: Context, service: Service, sku: str) -> tuple[Plan, Direction]:
    """Return the plan, and whether it is an upgrade or a downgrade.

    Raises:
        Conflict: `same_plan`.
        RuleViolated: `plan_not_available`.
    """
    plans = await plans_for(ctx.pool, service.account_id, service.provided_as, service.product_id)
    if plans.present is not None and plans.present.sku == sku:
        raise Conflict(f"This service already has the plan {plans.present.name}.", code="same_plan")
    wanted = next((plan for plan in plans.others if plan.sku == sku), None)
    if wanted is None or (plans.present is None and not service.amount_known):  # the direction is unknown
        raise not_available()
    return wanted, plans.direction(wanted, Decimal(service.amount.amount))


def not_available() -> RuleViolated:
    """Return the refusal of a plan that the service cannot have."""
    sentence = "This service cannot be changed to that plan. Please choose another one."
    return RuleViolated(sentence, code="plan_not_available", errors=[Violation("sku", "plan_not_available", sentence)])
