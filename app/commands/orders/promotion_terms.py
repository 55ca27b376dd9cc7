"""What a promotion is worth, in a sentence for the customer. Only billing calculates the amount."""

from collections.abc import Sequence

from app.commands.orders.facts import OrderableProduct
from app.commands.orders.promotion_conditions import matching
from app.integrations.whmcs.catalog.promotions import FIXED, PERCENTAGE, PRICE_OVERRIDE, Promotion
from app.words.sentence import Sentence, say


def describe_promotion(
    given: Promotion | None, currency: str | None, chosen: Sequence[OrderableProduct] = ()
) -> Sentence | None:
    """Describe a promotion and the bills and products that it is for; None without one.

    `currency` is that of its amounts, None for a customer who is billed in another one: WHMCS keeps one amount for all
    currencies, and converts it when it bills.
    """
    if given is None:
        return None
    value, when = f"{given.value.normalize():f}", _products(given, chosen)
    if given.kind == PERCENTAGE:
        return say("promotions.percent", code=given.code, value=value, when=when)
    if given.kind == FIXED:
        if currency is None:
            return say("promotions.amount_converted", code=given.code, when=when)
        return say("promotions.amount", code=given.code, value=value, currency=currency, when=when)
    if given.kind == PRICE_OVERRIDE:
        if currency is None:
            return say("promotions.special_price_converted", code=given.code, when=when)
        return say("promotions.special_price", code=given.code, value=value, currency=currency, when=when)
    return say("promotions.other_kind", code=given.code, when=when)


def _bills(given: Promotion) -> Sentence:
    if not given.recurring:
        return say("promotions.first_bill")
    return (
        say("promotions.first_bills", count=given.recurs_for + 1) if given.recurs_for else say("promotions.every_bill")
    )


def _products(given: Promotion, chosen: Sequence[OrderableProduct]) -> Sentence:
    """Say which bills it is for, and how often it counts where several products match."""
    bills, count = _bills(given), len(matching(given, chosen))
    if count < 2 or (given.kind == PERCENTAGE and not given.once_per_order):
        return bills
    if given.once_per_order:
        return say("promotions.for_one_product", bills=bills)
    return say("promotions.for_each_product", bills=bills, count=count)
