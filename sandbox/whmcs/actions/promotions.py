"""Promotions: GetPromotions, and what a code makes of a price when something is ordered with it."""

from decimal import Decimal
from typing import Any

from sandbox.whmcs.actions.call import Action, Call, money
from sandbox.whmcs.install import Install
from sandbox.whmcs.state import NO_DATE
from sandbox.whmcs.state_services import Product, Promotion

PERCENTAGE, FIXED = "Percentage", "Fixed Amount"


def get_promotions(call: Call) -> dict[str, Any]:
    """GetPromotions: all, or the one with this code."""
    code = call.params.text("code").casefold()
    found = [each for each in call.install.promotions.values() if code in ("", each.code.casefold())]
    return {"totalresults": len(found), "promotions": {"promotion": [_row(each) for each in found]} if found else ""}


def valid(install: Install, code: str, today: str) -> Promotion | None:
    """Return the promotion of a code if it may be used today. WHMCS silently drops any other."""
    for each in install.promotions.values():
        begun = each.startdate in ("", NO_DATE) or each.startdate <= today
        over = each.expirationdate not in ("", NO_DATE) and each.expirationdate < today
        used_up = each.maxuses and each.uses >= each.maxuses
        if code and each.code.casefold() == code.casefold() and begun and not over and not used_up:
            return each
    return None


def discounted(promotion: Promotion | None, product: Product, price: Decimal) -> tuple[Decimal, Decimal]:
    """Return the first and every further payment of a product."""
    if promotion is None or (promotion.appliesto and product.pid not in promotion.appliesto):
        return price, price
    off = price * promotion.value / 100 if promotion.type == PERCENTAGE else promotion.value
    less = max(price - off, Decimal("0.00")).quantize(Decimal("0.01"))
    return less, less if promotion.recurring else price


def _row(each: Promotion) -> dict[str, Any]:
    return {
        "id": each.id,
        "code": each.code,
        "type": each.type,
        "recurring": int(each.recurring),
        "value": money(each.value),
        "cycles": "",
        "appliesto": ",".join(map(str, each.appliesto)),
        "requires": "",
        "requiresexisting": 0,
        "startdate": each.startdate,
        "expirationdate": each.expirationdate,
        "maxuses": each.maxuses,
        "uses": each.uses,
        "lifetimepromo": 0,
        "applyonce": 0,
        "newsignups": 0,
        "existingclient": 0,
        "onceperclient": 0,
        "recurfor": 0,
        "upgrades": 0,
        "upgradeconfig": "",
        "notes": "",
    }


ACTIONS: dict[str, Action] = {"GetPromotions": get_promotions}
