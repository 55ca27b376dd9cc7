"""Promotions: GetPromotions, and what a code makes of the prices of an order.

As the vendor does, an order takes any code and silently drops one that does not apply to its client or products.
"""

from collections.abc import Collection, Mapping, Sequence
from decimal import Decimal
from typing import Any

from sandbox.whmcs import cycles
from sandbox.whmcs.actions.call import Action, Call, money
from sandbox.whmcs.install import RATES, Install
from sandbox.whmcs.prices import BASE
from sandbox.whmcs.state import NO_DATE, Client
from sandbox.whmcs.state_services import Product, Promotion

PERCENTAGE, FIXED, PRICE_OVERRIDE, FREE_SETUP = "Percentage", "Fixed Amount", "Price Override", "Free Setup"
FLAGS = ("lifetimepromo", "applyonce", "newsignups", "existingclient", "onceperclient", "requiresexisting", "upgrades")


def get_promotions(call: Call) -> dict[str, Any]:
    """GetPromotions: all, or the one with this code."""
    code = call.params.text("code").casefold()
    found = [each for each in call.install.promotions.values() if code in ("", each.code.casefold())]
    return {"totalresults": len(found), "promotions": {"promotion": [_row(each) for each in found]} if found else ""}


def valid(install: Install, client: Client, code: str, today: str, ordered: Collection[int]) -> Promotion | None:
    """Return the promotion of a code if the client may use it today for these products."""
    for each in install.promotions.values():
        if code and each.code.casefold() == code.casefold():
            usable = _is_open(each, today) and _fits(install, client, each)
            return each if usable and _has_required(install, client, each, ordered) else None
    return None


def _is_open(each: Promotion, today: str) -> bool:
    begun = each.startdate in ("", NO_DATE) or each.startdate <= today
    over = each.expirationdate not in ("", NO_DATE) and each.expirationdate < today
    return begun and not over and not (each.maxuses and each.uses >= each.maxuses)


def _fits(install: Install, client: Client, each: Promotion) -> bool:
    """Return whether the client's active orders allow it."""
    active = [order for order in install.orders.values() if order.userid == client.id and order.status == "Active"]
    used = any(order.promocode.casefold() == each.code.casefold() for order in active)
    return not ((each.newsignups and active) or (each.existingclient and not active) or (each.onceperclient and used))


def _has_required(install: Install, client: Client, each: Promotion, ordered: Collection[int]) -> bool:
    """Return whether one of the required products is ordered with it or, if that is enough, owned."""
    services = [service for service in install.services.values() if service.clientid == client.id]
    owned = {service.pid for service in services if service.status == "Active"} if each.requiresexisting else set()
    return not each.requires or bool(set(each.requires) & (set(ordered) | owned))


def discounted(
    promotion: Promotion | None, lines: Sequence[tuple[Product, str, Decimal]], currency: str = BASE
) -> list[tuple[Decimal, Decimal]]:
    """Return the first and every further payment of each line: product, cycle as answers have it, and price in the
    client's currency."""
    found, left = [], len(lines)
    for product, cycle, price in lines:
        matches = promotion is not None and left > 0 and _matches(promotion, product, cycle)
        if promotion is None or not matches:
            found.append((price, price))
            continue
        left = 0 if promotion.applyonce else left
        less = _less(promotion, price, currency)
        found.append((less, less if promotion.recurring else price))
    return found


def _matches(promotion: Promotion, product: Product, cycle: str) -> bool:
    offered = {cycles.shown(word) for word in promotion.cycles.split(",") if word.strip()}
    return (not promotion.appliesto or product.pid in promotion.appliesto) and (not offered or cycle in offered)


def _less(promotion: Promotion, price: Decimal, currency: str) -> Decimal:
    """Apply a promotion to a price. A promotion has one amount, in the base currency, which is converted."""
    value = promotion.value * RATES[currency]
    prices: Mapping[str, Decimal] = {
        PERCENTAGE: price - price * promotion.value / 100,
        FIXED: price - value,
        PRICE_OVERRIDE: value,
    }
    return max(prices.get(promotion.type, price), Decimal("0.00")).quantize(Decimal("0.01"))


def _row(each: Promotion) -> dict[str, Any]:
    return {
        "id": each.id,
        "code": each.code,
        "type": each.type,
        "recurring": int(each.recurring),
        "value": money(each.value),
        "cycles": each.cycles,
        "appliesto": ",".join(map(str, each.appliesto)),
        "requires": ",".join(map(str, each.requires)),
        "startdate": each.startdate,
        "expirationdate": each.expirationdate,
        "maxuses": each.maxuses,
        "uses": each.uses,
        **{name: int(getattr(each, name)) for name in FLAGS},
        "recurfor": each.recurfor,
        "upgradeconfig": "",
        "notes": "",
    }


ACTIONS: dict[str, Action] = {"GetPromotions": get_promotions}
