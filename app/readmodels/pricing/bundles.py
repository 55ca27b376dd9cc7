"""Bundles: each plan of a category with the fees, installations and add-ons that fit it."""

from collections.abc import Sequence
from decimal import Decimal

from app.intake.billing_cycles import ONETIME
from app.money import decimal, money
from app.ordering.installation import is_surcharge
from app.readmodels.catalog import Bundle, Product


def bundles(products: Sequence[Product]) -> list[Bundle]:
    """Build one bundle per plan, in the order of the products."""
    return [_bundle(plan, products) for plan in products if plan.item_class == "service"]


def _bundle(plan: Product, products: Sequence[Product]) -> Bundle:
    fitting = [each for each in products if _fits(plan, each)]
    fees, installations, add_ons = (
        [each for each in fitting if each.item_class == name] for name in ("activation", "installation", "add_on")
    )
    ways = [each for each in installations if not is_surcharge(each.sku)]
    parts = [plan, *fees, *_cheapest(ways)]
    return Bundle(
        plan=plan.sku,
        activation_fees=[each.sku for each in fees],
        installations=[each.sku for each in ways],
        add_ons=[each.sku for each in add_ons] + [each.sku for each in installations if each not in ways],
        monthly=money(_sum(parts, once=False), plan.price.currency),
        one_time=money(_sum(parts, once=True), plan.price.currency),
    )


def _fits(plan: Product, other: Product) -> bool:
    """Return whether two products fit: neither excludes the other, and the other requires nothing but the plan."""
    needed = [sku for sku in other.requires if sku != plan.sku]
    return plan.sku not in other.excludes and other.sku not in plan.excludes and not needed


def _cheapest(installations: Sequence[Product]) -> list[Product]:
    """Choose the cheapest installation; a default wins over an equal price."""
    return sorted(installations, key=lambda each: (decimal(each.price.amount), not each.is_default))[:1]


def _sum(parts: Sequence[Product], *, once: bool) -> Decimal:
    """Add up what is paid once, set-up fees included, or per period."""
    fees = [each.setup_fee for each in parts if once and each.setup_fee]
    prices = [each.price for each in parts if (each.billing_cycle == ONETIME) is once]
    return sum((decimal(each.amount) for each in (*prices, *fees)), Decimal(0))
