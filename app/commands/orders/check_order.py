"""Check a basket without ordering it: the rules that it violates, and its price."""

from collections.abc import Iterable
from decimal import Decimal

from msgspec import Struct

from app.commands.execution.context import Actor, Command, Context, Done
from app.commands.orders.basket import Basket
from app.commands.orders.facts import OrderableProduct, facts_for
from app.commands.orders.promotion_conditions import findings
from app.commands.orders.promotion_terms import describe_promotion
from app.commands.orders.rules import violations
from app.errors import Violation
from app.intake.billing_cycles import ONETIME
from app.money import Money, money


class Totals(Struct, frozen=True, kw_only=True):
    """The price of the basket, tax excluded: per month, one-time, and for the first month."""

    monthly: Money
    one_time: Money
    first_month: Money


class CheckedOrder(Struct, frozen=True, kw_only=True):
    """The result of a check: `ok`, or every violation to correct.

    `promotion` describes the discount of the code; the total is without it, because only billing can calculate it.
    `promotion_undecided` names what billing decides when it applies the code: without anything there, it applies.
    """

    ok: bool
    violations: list[Violation]
    total: Totals
    promotion: str | None
    promotion_undecided: list[str]
    tax: str = "excluded"


async def check_order(ctx: Context, actor: Actor, request: Basket) -> Done:
    """Apply the same rules as placing the order does.

    Raises:
        UpstreamError: WHMCS had to be read for a payment method or address and did not answer.
    """
    facts = await facts_for(ctx, actor, request)
    found = violations(request, facts)
    chosen = [facts.products[item.sku] for item in request.items if item.sku in facts.products]
    total = totals(chosen, ctx.settings.salesforce_currency)
    given = None if any(each.field == "promo_code" for each in found) else facts.promotion
    undecided = [each.text for each in findings(facts, chosen)] if given else []
    return Done(
        CheckedOrder(
            ok=not found,
            violations=found,
            total=total,
            promotion=describe_promotion(given, total.monthly.currency, chosen),
            promotion_undecided=undecided,
        )
    )


def totals(products: Iterable[OrderableProduct], currency: str) -> Totals:
    """Sum the prices by billing cycle."""
    monthly, once = Decimal(0), Decimal(0)
    for product in products:
        if product.billing_cycle == ONETIME:
            once += product.price
        else:
            monthly += product.price
    return Totals(
        monthly=money(monthly, currency), one_time=money(once, currency), first_month=money(monthly + once, currency)
    )


COMMAND = Command(check_order, replayable=False, changes=False)
