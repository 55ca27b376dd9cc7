"""Offers: the products on sale and their prices. Ambiguous products are not sold, and reported to operators.

A product is sold under its SKU, so one without a SKU is not, nor are two that share one. Only prices in the portal's
currency count; of two in that currency the one with the lowest id counts, with a warning.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal

import structlog
from msgspec import Struct

from app.events import Record
from app.intake import parse, unreadable
from app.intake.words import folded
from app.projections.parts.vocabulary import known
from app.readmodels.catalog import CATEGORIES, OTHER
from app.readmodels.services import CLASSES, UNCLASSED, ItemClass

WORDS: Mapping[str, str] = {**{name: name for name in CATEGORIES}, OTHER: OTHER}
"""Product2Categories1__c, folded → category."""

log = structlog.get_logger()


class Offer(Struct, frozen=True):
    """A product with its one price."""

    product: Record
    price: Record
    sku: str
    amount: Decimal


def offers(products: Sequence[Record], entries: Sequence[Record], pricebook_id: str, *, currency: str) -> list[Offer]:
    """Select the products that the portal shows, each with its price."""
    for_portal = [each for each in products if each.data.get("IsActive") and each.data.get("Portal_Catalog__c")]
    by_sku = Counter(sku_of(each) for each in for_portal)
    prices = _prices([each for each in entries if each.data.get("Pricebook2Id") == pricebook_id], currency)
    found = []
    for product in for_portal:
        sku, price = sku_of(product), prices.get(product.record_id)
        if not sku or by_sku[sku] > 1:
            _warn(product, "StockKeepingUnit", "catalog_product_without_own_sku", sku=sku)
        elif price is not None:
            found.append(Offer(product, price, sku, parse.money(price.data.get("UnitPrice")) or Decimal()))
    return found


def ambiguous(products: Sequence[Record], entries: Sequence[Record], currency: str) -> Iterator[str]:
    """Yield one sentence for each ambiguity among active products and active price book entries."""
    by_sku = Counter(sku_of(each) for each in products)
    for product in products:
        sku, name = sku_of(product), product.data.get("Name") or product.record_id
        if not sku:
            yield f"{name} is not sold: it has no StockKeepingUnit."
        elif by_sku[sku] > 1:
            yield f"{name} ({product.record_id}) is not sold: {by_sku[sku]} products have the StockKeepingUnit {sku}."
    counted = Counter(str(each.data.get("Product2Id")) for each in entries if _counts(each, currency))
    named = {each.record_id: sku_of(each) or each.record_id for each in products}
    for product_id, count in counted.items():
        if count > 1:
            yield f"{named.get(product_id, product_id)} has {count} prices in {currency}: the first by id counts."
    for entry in entries:
        if parse.money(entry.data.get("UnitPrice")) is None:
            name = named.get(str(entry.data.get("Product2Id")), entry.record_id)
            yield f"{name} has a price ({entry.record_id}) that says no amount."


def sku_of(product: Record) -> str:
    """Return the SKU; empty for none."""
    return str(product.data.get("StockKeepingUnit") or "").strip()


def category_of(product: Record) -> str | None:
    """Return the product's category, by its category field alone; None when it is empty or unknown."""
    return known(WORDS, product, "Product2Categories1__c")


def class_of(product: Record) -> ItemClass:
    """Return the product's class, by its class field alone; `other` when it is empty or unknown."""
    return known(CLASSES, product, "Item_Class__c") or UNCLASSED


def _prices(entries: Sequence[Record], currency: str) -> dict[str, Record]:
    """Map product ids to prices. An entry without an amount does not count; one without a currency is in the org's only
    currency."""
    found: dict[str, Record] = {}
    for entry in sorted(entries, key=lambda each: each.record_id):
        product_id = entry.data.get("Product2Id") or ""
        if not entry.data.get("IsActive") or not _counts(entry, currency):
            continue
        amount = parse.money(entry.data.get("UnitPrice"))
        if amount is None or amount < 0:
            _warn(entry, "UnitPrice", "catalog_price_unreadable")
        elif product_id in found:
            _warn(entry, "CurrencyIsoCode", "catalog_two_prices", product_id=product_id)
        else:
            found[product_id] = entry
    return found


def _counts(entry: Record, currency: str) -> bool:
    return folded(entry.data.get("CurrencyIsoCode")) in ("", folded(currency))


def _warn(record: Record, field: str, event: str, **more: str) -> None:
    unreadable.note(record.source, record.object, field, record.record_id)
    log.warning(event, record_id=record.record_id, **more)
