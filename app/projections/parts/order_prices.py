"""Prices of a Salesforce order, in the currency that they were agreed in."""

from collections.abc import Sequence
from decimal import Decimal

from msgspec import Struct

from app.events import Record
from app.intake.fields import Fields
from app.projections.parts.fields import plain
from app.readmodels.pricing.agreed import AgreedPrice, StatedPrices, agreed_price
from app.readmodels.pricing.prices import currency_code
from app.readmodels.pricing.tax import TaxWord

BILLED_PRICE, BILLED_SETUP_FEE = "Billed_Price__c", "Billed_Setup_Fee__c"


class OrderTerms(Struct, frozen=True, kw_only=True):
    """The currency of an order's prices. `billing_currency` is the recorded one, None if the order records none: then
    its prices are the sales prices."""

    currency: str
    billing_currency: str | None
    tax: TaxWord


def order_terms(order: Record, items: Sequence[Record], org_currency: str) -> OrderTerms:
    """Read the terms of an order; `org_currency` is that of an org that has only one."""
    recorded = currency_code(plain(order.data.get("Billing_Currency__c")))
    sold = next((code for item in items if (code := _sales_currency(item, ""))), org_currency)
    included = order.data.get("Billing_Tax_Included__c") is True
    return OrderTerms(
        currency=recorded or sold, billing_currency=recorded or None, tax="included" if included else "excluded"
    )


def price_of(item: Record, terms: OrderTerms, org_currency: str) -> AgreedPrice | None:
    """Read the price of one piece of a line; None if it was not agreed, or cannot be read, which is counted."""
    fields = Fields("salesforce", "OrderItem", item.record_id, item.data)
    for name in ("UnitPrice", BILLED_PRICE, BILLED_SETUP_FEE):
        fields.money(name)
    stated = StatedPrices(
        sales_price=item.data.get("UnitPrice"),
        sales_currency=_sales_currency(item, org_currency),
        billed_price=item.data.get(BILLED_PRICE),
        billed_setup_fee=item.data.get(BILLED_SETUP_FEE),
    )
    return agreed_price(stated, terms.currency)


def line_total(price: AgreedPrice | None, quantity: Decimal | None) -> Decimal | None:
    """Return what a line costs at first; None if its price or quantity is unknown."""
    return None if price is None or quantity is None else (price.amount + price.setup_fee) * quantity


def _sales_currency(item: Record, otherwise: str) -> str:
    return currency_code(plain(item.data.get("CurrencyIsoCode"))) or otherwise
