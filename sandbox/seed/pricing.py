"""The sample products' further prices in WHMCS: longer cycles in yen, and dollars.

Internet has no price in dollars; a VPN has a set-up fee there.
"""

from decimal import Decimal

from sandbox.seed.products import HOSTING, INTERNET, MONTHLY, SERVICE, VPN, Product

CENT = Decimal("0.01")
YEN_PER_DOLLAR = 150
MONTHS = {"quarterly": 3, "semiannually": 6, "annually": 10, "biennially": 20, "triennially": 29}
"""Cycle → how many monthly prices it costs: the longer ones are cheaper by the month."""
USUAL = ("quarterly", "annually")
"""The cycles of every plan; web hosting has all of them."""


def pricing(product: Product) -> dict[str, dict[str, Decimal]]:
    """Return a product's prices by currency and cycle, beside its price in yen by the month."""
    monthly = Decimal(product.price)
    found = {"JPY": _cycles(product, monthly)}
    if product.category != INTERNET:
        dollars = (monthly / YEN_PER_DOLLAR).quantize(CENT)
        found["USD"] = {"monthly": dollars, **_cycles(product, dollars)}
        if product.category == VPN and product.item_class == SERVICE:
            found["USD"]["msetupfee"] = Decimal("5.00")
    return found


def _cycles(product: Product, monthly: Decimal) -> dict[str, Decimal]:
    if product.item_class != SERVICE or product.billing_cycle != MONTHLY:
        return {}
    words = MONTHS if product.category == HOSTING else USUAL
    return {word: (monthly * MONTHS[word]).quantize(CENT) for word in words}
