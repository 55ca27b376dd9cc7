"""What another plan would cost, before anybody decides. Nothing is changed.

Reads: read_model.subscriptions, catalog, WHMCS service, WHMCS's calculation.
"""

from typing import Literal

from msgspec import Struct

from app.commands.execution.context import Actor, Command, Context, Done
from app.commands.subscriptions.quote import quoted, split
from app.commands.subscriptions.service import owned, refuse_unless
from app.commands.subscriptions.target_plan import target
from app.money import Money, money
from app.readmodels.plans import Direction


class PreviewPlanChange(Struct, frozen=True):
    """Which service, which plan."""

    subscription_id: str
    sku: str


class PlanPreview(Struct, frozen=True, kw_only=True):
    """The plan and its price; amounts exclude consumption tax.

    `due_now` covers the `days_left` of the present period, less what was paid for them already; `credit` is what is
    given back instead. `monthly` is the plan's own price from then on. `in_progress`: an earlier change waits for its
    payment.
    """

    subscription_id: str
    sku: str
    name: str
    direction: Direction
    monthly: Money
    due_now: Money
    credit: Money
    days_left: int
    days_in_period: int
    takes_effect: Literal["at_once", "when_paid"]
    in_progress: bool
    tax: Literal["excluded"] = "excluded"


async def preview_plan_change(ctx: Context, actor: Actor, request: PreviewPlanChange) -> Done:
    """The price, asked of WHMCS now.

    Raises:
        NotFound: `subscription_not_found`.
        Conflict: `subscription_not_active`, `same_plan`.
        RuleViolated: `plan_not_available`.
    """
    service = await owned(ctx, actor, request.subscription_id)
    refuse_unless(service, "active")
    plan, direction = await target(ctx, service, request.sku)
    quote = await quoted(ctx, service, plan)
    due_now, credit = split(quote.due_now)
    return Done(
        PlanPreview(
            subscription_id=service.subscription_id,
            sku=plan.sku,
            name=plan.name,
            direction=direction,
            monthly=money(plan.price, plan.currency),
            due_now=money(due_now, service.amount.currency),
            credit=money(credit, service.amount.currency),
            days_left=quote.days_left,
            days_in_period=quote.days_in_cycle,
            takes_effect="when_paid" if due_now else "at_once",
            in_progress=quote.in_progress,
        )
    )


COMMAND = Command(preview_plan_change, replayable=False, changes=False)
