"""The price of a change of plan, calculated by WHMCS."""

from decimal import Decimal

from app.commands.execution.context import Context
from app.commands.subscriptions.service import Service
from app.commands.subscriptions.target_plan import not_available
from app.errors import UpstreamRejected
from app.integrations.whmcs import upgrades
from app.integrations.whmcs.upgrades import Upgrade, UpgradeQuote
from app.readmodels.plans import Plan
from app.readmodels.pricing.prices import RECURRING, cycle

NOTHING = Decimal("0.00")


def upgrade_request(ctx: Context, service: Service, product_id: str) -> Upgrade:
    """Build WHMCS's request for the change, with the same billing cycle and gateway."""
    return Upgrade(
        service_id=service.subscription_id,
        product_id=product_id,
        billing_cycle=cycle(service.billing_cycle),
        payment_method=service.payment_method or ctx.settings.whmcs_payment_method,
    )


async def fetch_quote(ctx: Context, service: Service, plan: Plan) -> UpgradeQuote:
    """Have WHMCS calculate the price.

    Raises:
        RuleViolated: `plan_not_available`, also if WHMCS refuses to calculate one.
    """
    if cycle(service.billing_cycle) not in RECURRING:
        raise not_available()
    try:
        return await upgrades.quote(ctx.whmcs, upgrade_request(ctx, service, plan.product_id))
    except UpstreamRejected as error:
        raise not_available() from error


def split(due_now: Decimal) -> tuple[Decimal, Decimal]:
    """Split a balance into the amount to pay and the amount to credit."""
    return max(due_now, NOTHING), max(-due_now, NOTHING)
