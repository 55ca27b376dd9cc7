"""Preview the price of another plan. Nothing is changed.

Reads: read_model.subscriptions, catalog, prices, profiles, WHMCS service, WHMCS's calculation.
"""

from typing import Literal

from msgspec import Struct

from app.commands.execution.context import Actor, Command, Context, Done
from app.commands.subscriptions.quote import fetch_quote, split
from app.commands.subscriptions.service import find_own, refuse_unless
from app.commands.subscriptions.target_plan import target
from app.intake.billing_cycles import CycleWord
from app.money import Money, money
from app.readmodels.plans import Direction
from app.readmodels.pricing.tax import TaxWord, tax_rates
from app.readmodels.pricing.terms import terms_of


class PreviewPlanChange(Struct, frozen=True):
    """The service, and the SKU of the plan to price."""

    subscription_id: str
    sku: str


class PlanPreview(Struct, frozen=True, kw_only=True):
    """The plan and its price, with and without consumption tax.

    `price` is what is billed per period from then on, in the service's own `billing_cycle`. `due_now` covers the
    `days_left` of the current period, less what was already paid for them; `credit` is added to the account's balance
    instead, and no tax to it. `tax` says whether the amounts that are not `_with_tax` contain it. Where the rate is
    unknown, amounts with tax are null. `in_progress`: an earlier change awaits its payment.
    """

    subscription_id: str
    sku: str
    name: str
    direction: Direction
    billing_cycle: CycleWord
    price: Money
    price_with_tax: Money | None
    due_now: Money
    due_now_with_tax: Money | None
    """That amount with consumption tax; null where the rate is unknown."""
    credit: Money
    days_left: int
    """The days of it that are left."""
    days_in_period: int
    """The days of the present billed period."""
    takes_effect: Literal["at_once", "when_paid"]
    """When the new plan is provided."""
    in_progress: bool
    """Whether another change of this service is under way."""
    tax: TaxWord
    tax_rate: str | None


async def preview_plan_change(ctx: Context, actor: Actor, request: PreviewPlanChange) -> Done:
    """Have WHMCS calculate the price now.

    Raises:
        NotFound: `subscription_not_found`.
        Conflict: `subscription_not_active`, `same_plan`.
        RuleViolated: `plan_not_available`.
    """
    service = await find_own(ctx, actor, request.subscription_id, live=True)
    refuse_unless(service, "active")
    plan, direction = await target(ctx, service, request.sku)
    quote = await fetch_quote(ctx, service, plan)
    due_now, credit = split(quote.due_now)
    currency = service.amount.currency
    tax = (await terms_of(ctx.pool, tax_rates(ctx.settings.tax_rates), service.account_id)).tax
    return Done(
        PlanPreview(
            subscription_id=service.subscription_id,
            sku=plan.sku,
            name=plan.name,
            direction=direction,
            billing_cycle=service.billing_cycle,
            price=money(plan.price, plan.currency),
            price_with_tax=tax.with_tax(plan.price, plan.currency),
            due_now=money(due_now, currency),
            due_now_with_tax=tax.with_tax(due_now, currency),
            credit=money(credit, currency),
            days_left=quote.days_left,
            days_in_period=quote.days_in_cycle,
            takes_effect="when_paid" if due_now else "at_once",
            in_progress=quote.in_progress,
            tax=tax.word,
            tax_rate=tax.shown_rate,
        )
    )


COMMAND = Command(
    preview_plan_change, writes=(), away="refuse", needs="service", reads=("whmcs",), replayable=False, changes=False
)
