"""The plan that a service is to be changed to, if it is available for the service.

Reads: read_model.catalog, prices, subscriptions.
"""

from decimal import Decimal

from app.commands.execution.context import Context
from app.commands.subscriptions.service import Service
from app.errors import Conflict, RuleViolated, Violation
from app.readmodels.plans import BilledService, Direction, Plan, plans_for
from app.words.sentence import say


async def target(ctx: Context, service: Service, sku: str) -> tuple[Plan, Direction]:
    """Return the plan, and whether it is an upgrade or a downgrade.

    Raises:
        Conflict: `same_plan`.
        RuleViolated: `plan_not_available`.
    """
    billed = BilledService(
        account_id=service.account_id,
        category=service.provided_as,
        product_id=service.product_id,
        currency=service.amount.currency,
        billing_cycle=service.billing_cycle,
        amount=Decimal(service.amount.amount) if service.amount_known else None,
    )
    plans = await plans_for(ctx.pool, billed)
    if plans.present_sku == sku:
        raise Conflict(say("subscriptions.same_plan", plan=plans.present_name), code="same_plan")
    wanted = next((each for each in plans.others if each[0].sku == sku), None)
    if wanted is None:
        raise not_available()
    return wanted


def not_available() -> RuleViolated:
    """Return the refusal of a plan that the service cannot have."""
    sentence = say("subscriptions.plan_unavailable")
    return RuleViolated(sentence, code="plan_not_available", errors=[Violation("sku", "plan_not_available", sentence)])
