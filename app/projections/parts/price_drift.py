"""Drift of prices: where the portal's price book and the billing system say different prices for one product.

Pure: for operators (`portal doctor`), and for the metric that the workers keep.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any

from msgspec import Struct

from app.events import Record
from app.intake import parse
from app.intake.billing_cycles import cycle_of
from app.intake.fields import Fields
from app.intake.words import folded
from app.money import in_words, rounded
from app.projections.parts.fields import plain
from app.projections.parts.offers import sku_of
from app.readmodels.pricing.prices import OwnPrice

OwnByCurrency = Mapping[tuple[str, str, str], OwnPrice]
"""(product, currency, billing cycle) → the billing system's price."""


class PriceComparison(Struct, frozen=True, kw_only=True):
    """A price of the price book with the billing system's for the same product, currency and cycle, if it has one."""

    sku: str
    product_id: str
    currency: str
    billing_cycle: str
    booked: Decimal
    own: OwnPrice | None

    @property
    def differs(self) -> bool:
        """True unless both say the same price. A set-up fee, which no price book has, is a difference too."""
        if self.own is None or self.own.amount is None:
            return True
        same = rounded(self.own.amount, self.currency) == rounded(self.booked, self.currency)
        return not same or bool(self.own.setup_fee)

    def __str__(self) -> str:
        """Describe the difference for operators."""
        wanted = f"{self.sku} is {in_words(self.booked, self.currency)} {self.billing_cycle} in the price book"
        if self.own is None:
            return f"{wanted}; WHMCS's product {self.product_id} has no such price."
        if self.own.amount is None:
            return f"{wanted}; WHMCS's product {self.product_id} is not offered so."
        fee = f" and a set-up fee of {in_words(self.own.setup_fee, self.currency)}" if self.own.setup_fee else ""
        return f"{wanted}; WHMCS's product {self.product_id} is {in_words(self.own.amount, self.currency)}{fee}."


class PriceDriftCount(Struct, frozen=True, kw_only=True):
    """The number of prices that were compared, and that differ, in a currency and billing cycle."""

    currency: str
    billing_cycle: str
    compared: int
    differing: int


def comparisons(
    products: Sequence[Record], entries: Sequence[Record], own: OwnByCurrency, *, pricebook_id: str, currency: str
) -> Iterator[PriceComparison]:
    """Compare every active price of the portal's products, in whatever currency; `currency` is that of an org that
    has only one."""
    sold = {
        each.record_id: each for each in products if each.data.get("IsActive") and each.data.get("Portal_Catalog__c")
    }
    for entry in sorted(entries, key=lambda each: each.record_id):
        product = sold.get(plain(entry.data.get("Product2Id")))
        booked = parse.money(entry.data.get("UnitPrice"))
        if product is None or booked is None or not _counts(entry, pricebook_id):
            continue
        number = _number(product)
        if number is None:
            continue  # never ordered from the billing system
        code = (plain(entry.data.get("CurrencyIsoCode")) or currency).upper()
        word = cycle_of(plain(product.data.get("Billing_Cycle__c")))
        yield PriceComparison(
            sku=sku_of(product),
            product_id=number,
            currency=code,
            billing_cycle=word,
            booked=booked,
            own=own.get((number, code, word)),
        )


def counted(compared: Sequence[PriceComparison]) -> list[PriceDriftCount]:
    """Count by currency and billing cycle."""
    totals = Counter((each.currency, each.billing_cycle) for each in compared)
    differing = Counter((each.currency, each.billing_cycle) for each in compared if each.differs)
    return [
        PriceDriftCount(currency=key[0], billing_cycle=key[1], compared=count, differing=differing[key])
        for key, count in sorted(totals.items())
    ]


def own_by_currency(rows: Sequence[Mapping[str, Any]]) -> OwnByCurrency:
    """Map rows of read_model.prices."""
    return {
        (row["product_id"], row["currency"], row["billing_cycle"]): OwnPrice(
            offered=row["offered"], amount=row["amount"], setup_fee=row["setup_fee"]
        )
        for row in rows
    }


def _counts(entry: Record, pricebook_id: str) -> bool:
    return bool(entry.data.get("IsActive")) and folded(entry.data.get("Pricebook2Id")) == folded(pricebook_id)


def _number(product: Record) -> str | None:
    number = Fields("salesforce", "Product2", product.record_id, product.data).whole_number("WH_Product_ID__c")
    return None if number is None else str(number)
