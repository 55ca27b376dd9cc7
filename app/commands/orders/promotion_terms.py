"""What a promotion is worth, in a sentence for the customer. Only billing calculates the amount."""

from collections.abc import Sequence

from app.commands.orders.facts import OrderableProduct
from app.commands.orders.promotion_conditions import matching
from app.integrations.whmcs.catalog.promotions import FIXED, PERCENTAGE, PRICE_OVERRIDE, Promotion


def describe_promotion(
    given: Promotion | None, currency: str | None, chosen: Sequence[OrderableProduct] = ()
) -> str | None:
    """Describe a promotion and the bills and products that it is for; None without one.

    `currency` is that of its amounts, None for a customer who is billed in another one: WHMCS keeps one amount for all
    currencies, and converts it when it bills.
    """
    if given is None:
        return None
    value, when = f"{given.value.normalize():f}", f"{_bills(given)}{_products(given, chosen)}"
    if given.kind == PERCENTAGE:
        return f"{given.code}: {value} % off {when}."
    if given.kind in (FIXED, PRICE_OVERRIDE) and currency is None:
        what = "an amount off" if given.kind == FIXED else "a special price on"
        return f"{given.code}: {what} {when}. Billing converts it to your currency."
    if given.kind == FIXED:
        return f"{given.code}: {value} {currency} off {when}."
    if given.kind == PRICE_OVERRIDE:
        return f"{given.code}: {value} {currency} instead of the usual price on {when}."
    return f"{given.code} will be taken into account on {when}."


def _bills(given: Promotion) -> str:
    if not given.recurring:
        return "the first bill"
    return f"the first {given.recurs_for + 1} bills" if given.recurs_for else "every bill"


def _products(given: Promotion, chosen: Sequence[OrderableProduct]) -> str:
    """Say how often it counts where several products match."""
    count = len(matching(given, chosen))
    if count < 2 or (given.kind == PERCENTAGE and not given.once_per_order):
        return ""
    return ", for one of the products" if given.once_per_order else f", for each of {count} products"
