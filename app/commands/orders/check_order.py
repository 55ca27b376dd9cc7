"""Check a basket without ordering it: the rules that it violates, and its price."""

from collections.abc import Iterable, Sequence
from decimal import Decimal

from msgspec import Struct

from app.commands.execution.context import Actor, Command, Context, Done
from app.commands.orders.basket import Basket
from app.commands.orders.facts import Facts, OrderableProduct, facts_for
from app.commands.orders.promotion_conditions import findings
from app.commands.orders.promotion_terms import describe_promotion
from app.commands.orders.rules import violations
from app.errors import Advice, Violation
from app.intake.billing_cycles import ONETIME
from app.money import Money, money
from app.readmodels.orders import CURRENCY_UNKNOWN
from app.readmodels.pricing.prices import same_currency
from app.readmodels.pricing.tax import UNKNOWN, Tax, TaxWord
from app.words.sentence import Phrase, say
from app.words.worded import Worded, sentence_in


class Totals(Struct, frozen=True, kw_only=True):
    """The price of the basket, with and without tax: per month, one-time, and for the first month.

    In the currency that the account is billed in. Sums with tax are null where the rate is unknown.
    """

    monthly: Money
    monthly_with_tax: Money | None
    one_time: Money
    """The price that is billed once."""
    one_time_with_tax: Money | None
    first_month: Money
    """The price of the first month, with what is billed once."""
    first_month_with_tax: Money | None
    """That price with consumption tax; null where the rate is unknown."""
    tax_rate: str | None


class CheckedOrder(Worded, frozen=True, kw_only=True):
    """The result of a check: `ok`, or every violation to correct.

    `promotion` describes the discount of the code; the total is without it, because only billing can calculate it.
    `promotion_undecided` names what billing decides when it applies the code: without anything there, it applies.
    `tax` says whether the sums that are not `_with_tax` contain the tax. `total` is null where a product has no price
    in the currency that the account is billed in: `total_unknown` says why.
    """

    ok: bool
    """Whether the basket can be ordered as it is."""
    violations: list[Violation]
    """Everything that has to be corrected."""
    total: Totals | None
    promotion: str | None
    """What the promotion code gives, to be shown; null without one."""
    promotion_undecided: list[str]
    """The SKUs for which only the billing system can say whether the promotion counts."""
    tax: TaxWord = "excluded"
    total_unknown: Advice | None = None
    promotion_phrases: tuple[Phrase, ...] = ()
    promotion_undecided_phrases: tuple[tuple[Phrase, ...], ...] = ()


async def check_order(ctx: Context, actor: Actor, request: Basket) -> Done:
    """Apply the same rules as placing the order does.

    Raises:
        UpstreamError: WHMCS had to be read for a payment method or address and did not answer.
    """
    facts = await facts_for(ctx, actor, request)
    found = violations(request, facts)
    chosen = [facts.products[item.sku] for item in request.items if item.sku in facts.products]
    currency, unknown = facts.terms.currency, _unknown(facts, chosen)
    total = totals(chosen, currency, facts.terms.tax) if currency and not unknown else None
    book = ctx.settings.salesforce_currency
    given = None if any(each.field == "promo_code" for each in found) else facts.promotion
    undecided: list[str] = [each.text for each in findings(facts, chosen)] if given else []
    return Done(
        CheckedOrder(
            ok=not found,
            violations=found,
            total=total,
            promotion=describe_promotion(given, book if same_currency(currency, book) else None, chosen),
            promotion_undecided=undecided,
            tax=facts.terms.tax.word,
            total_unknown=unknown,
        )
    )


def _unknown(facts: Facts, chosen: Sequence[OrderableProduct]) -> Advice | None:
    """Return why the price of the basket is unknown."""
    if facts.terms.currency is None:
        return Advice("not_known_yet", sentence_in(CURRENCY_UNKNOWN, "message"))
    unpriced = [each.name for each in chosen if not each.is_priced]
    if unpriced:
        return Advice(
            "product_not_orderable",
            say("ordering.unpriced", product=unpriced[0], currency=facts.terms.currency),
        )
    return None


def totals(products: Iterable[OrderableProduct], currency: str, tax: Tax = UNKNOWN) -> Totals:
    """Sum the prices by billing cycle; set-up fees are one-time."""
    monthly, once = Decimal(0), Decimal(0)
    for product in products:
        once += product.setup_fee
        if product.billing_cycle == ONETIME:
            once += product.price
        else:
            monthly += product.price
    return Totals(
        monthly=money(monthly, currency),
        monthly_with_tax=tax.with_tax(monthly, currency),
        one_time=money(once, currency),
        one_time_with_tax=tax.with_tax(once, currency),
        first_month=money(monthly + once, currency),
        first_month_with_tax=tax.with_tax(monthly + once, currency),
        tax_rate=tax.shown_rate,
    )


COMMAND = Command(check_order, writes=(), away="refuse", needs="order", replayable=False, changes=False)
