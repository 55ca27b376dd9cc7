"""What an order was agreed to cost: the rule for what is shown of an order and for what is billed for it.

An order records the currency that the customer is billed in when it is placed. In that currency it has one price for
each line: the sales price, if that is in it, or else the price of the billing system, which the order records too. What
prices or currencies become later changes neither.
"""

from decimal import Decimal
from typing import Any

from msgspec import Struct

from app.intake import parse
from app.readmodels.pricing.prices import billable, same_currency


class AgreedPrice(Struct, frozen=True, kw_only=True):
    """The price of one, per period or once, and its set-up fee, before what tax adds."""

    amount: Decimal
    setup_fee: Decimal = Decimal(0)


class StatedPrices(Struct, frozen=True, kw_only=True):
    """The prices that a line of an order states in Salesforce, as they are stored there: the sales price in its
    currency, and price and set-up fee in the order's billing currency."""

    sales_price: Any
    sales_currency: str
    billed_price: Any
    billed_setup_fee: Any


def agreed_price(stated: StatedPrices, billing_currency: str) -> AgreedPrice | None:
    """Return what a line costs in a currency; None if that was not agreed or cannot be read."""
    if same_currency(stated.sales_currency, billing_currency):
        price, fee = parse.money(stated.sales_price), _fee(None)
    else:
        price, fee = parse.money(stated.billed_price), _fee(stated.billed_setup_fee)
    if price is None or fee is None:
        return None
    return AgreedPrice(amount=billable(price, billing_currency), setup_fee=billable(fee, billing_currency))


def _fee(stated: Any) -> Decimal | None:
    return Decimal(0) if stated in (None, "") else parse.money(stated)
