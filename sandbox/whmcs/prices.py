"""What a product costs by currency and billing cycle: WHMCS sets each price by hand and converts none."""

from decimal import Decimal

from sandbox.whmcs.cycles import CYCLES
from sandbox.whmcs.state import ZERO
from sandbox.whmcs.state_services import Product

BASE = "JPY"
RECURRING = tuple(word for word, (_, months) in CYCLES.items() if months)
NOT_OFFERED = Decimal("-1.00")
WORDS = {shown: word for word, (shown, _) in CYCLES.items()}
"""Response word of a cycle → its request word."""


def row(product: Product, currency: str) -> dict[str, Decimal]:
    """Return every set-up fee and price in a currency. A one-time product has its price in `monthly`."""
    found = {f"{word[0]}setupfee": ZERO for word in RECURRING} | dict.fromkeys(RECURRING, NOT_OFFERED)
    if currency == BASE:
        found["monthly"] = product.price
    return found | product.pricing.get(currency, {})


def amount(product: Product, currency: str, cycle: str) -> Decimal | None:
    """Return the price of a cycle, by its response word; None when it is not offered."""
    if product.paytype == "free":
        return ZERO
    word = "monthly" if product.paytype == "onetime" else WORDS[cycle]
    found = row(product, currency).get(word, NOT_OFFERED)
    return None if found < ZERO else found


def setup_fee(product: Product, currency: str, cycle: str) -> Decimal:
    """Return the set-up fee of a cycle, by its response word."""
    word = "monthly" if product.paytype == "onetime" else WORDS[cycle]
    return max(row(product, currency).get(f"{word[0]}setupfee", ZERO), ZERO)


def first_offered(product: Product, currency: str, cycle: str) -> str:
    """Return the cycle that an order gets: the one asked for, or else the first that is offered."""
    if product.paytype != "recurring":
        return "One Time" if product.paytype == "onetime" else "Free Account"
    if cycle in WORDS and WORDS[cycle] in RECURRING and amount(product, currency, cycle) is not None:
        return cycle
    offered = (CYCLES[word][0] for word in RECURRING if amount(product, currency, CYCLES[word][0]) is not None)
    return next(offered, cycle)
