"""Prices of an order as its account may be shown them.

An order without a recorded billing currency has the prices of the price book, which are not those of a customer who is
billed in another currency.
"""

from typing import TypeVar

import msgspec
from msgspec.structs import replace

from app.money import Money
from app.readmodels.orders import CURRENCY_UNKNOWN, OTHER_CURRENCY, Order, OrderItem, OrderSummary
from app.readmodels.pricing.prices import same_currency

Shape = TypeVar("Shape", Order, OrderSummary)


def as_billed(stored: bytes, shape: type[Shape], currency: str | None) -> bytes:
    """Return a stored order as an account may be shown it that is billed in a currency, None if that is unknown."""
    order = msgspec.json.decode(stored, type=shape)
    shown = priced_for(order, currency)
    return stored if shown is order else msgspec.json.encode(shown)


def priced_for(order: Shape, currency: str | None) -> Shape:
    """Return the order without its prices unless they were agreed, or are in the account's currency."""
    if order.billing_currency or all(same_currency(each.currency, currency) for each in _prices(order)):
        return order
    unpriced = replace(order, total=None, total_unknown=OTHER_CURRENCY if currency else CURRENCY_UNKNOWN)
    if isinstance(unpriced, Order):
        unpriced = replace(unpriced, items=[_unpriced(each) for each in unpriced.items])
    return unpriced


def _prices(order: Order | OrderSummary) -> list[Money]:
    items = order.items if isinstance(order, Order) else []
    stated = [order.total, *(price for each in items for price in (each.unit_price, each.setup_fee, each.total))]
    return [each for each in stated if each is not None]


def _unpriced(item: OrderItem) -> OrderItem:
    return replace(item, unit_price=None, setup_fee=None, total=None)
