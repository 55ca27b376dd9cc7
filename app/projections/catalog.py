"""Catalog: Product2 with its PricebookEntry in the portal price book → products and one ready answer a category.

Reads: salesforce Product2, PricebookEntry. Writes: read_model.catalog, documents `catalog…`.
Shown: active, `Portal_Catalog__c`, and actively priced in the portal price book. Orderable: `Portal_Accessible__c` too.
"""

import re
from collections.abc import Sequence
from typing import Any

import msgspec

from app.events import Record
from app.intake import parse, unreadable
from app.projections.bundles import bundles
from app.projections.fields import plain, snake
from app.projections.projector import Document, Group, Projected, Projector
from app.readmodels.catalog import (
    CATEGORIES,
    TABLE,
    Category,
    CategorySummary,
    Product,
    account_document,
    public_document,
)
from app.readmodels.money import decimal, money
from app.settings import Settings

INTERNAL = frozenset(
    {
        "portal_catalog",
        "portal_accessible",
        "wh_product_id",
        "wh_product_name",
        "product2categories1",
        "item_class",
        "billing_cycle",
        "display_order",
        "auto_add",
        "portal_instant",
        "required_products",
        "mutually_exclusive",
    }
)
"""Facts that have a place of their own or are nobody's business outside."""

INSTANT = frozenset({"hosting"})
"""Categories whose products may be activated without staff's review (C11)."""
LAST_PLACE = 2**31 - 1
BULLETS = "-*•・"
CLASSES = {"Service": "service", "Installation": "installation", "Add-on": "add_on", "Activation": "activation"}


def projector(settings: Settings) -> Projector:
    """The catalog of one portal price book in the org's currency."""

    def project(group: Group) -> Projected:
        prices = {
            record.data.get("Product2Id"): record
            for record in group.of("PricebookEntry")
            if record.data.get("Pricebook2Id") == settings.salesforce_pricebook_id and record.data.get("IsActive")
        }
        shown = [
            (record, prices[record.record_id])
            for record in group.of("Product2")
            if record.record_id in prices and record.data.get("IsActive") and record.data.get("Portal_Catalog__c")
        ]
        rows = [_row(product, price, settings.salesforce_currency) for product, price in shown]
        rows = _sold(rows)
        rows.sort(key=lambda row: (row["category"], row["display_order"], row["unit_price"], row["sku"]))
        return Projected(rows=rows, documents=_documents(rows))

    return Projector(
        name="catalog",
        version=2,
        source="salesforce",
        scope="global",
        reads=("Product2", "PricebookEntry"),
        table=TABLE,
        project=project,
        documents=True,
    )


def _row(product: Record, price: Record, currency: str) -> dict[str, Any]:
    data = product.data
    description, features = described(data.get("Description"))
    category = str(data.get("Product2Categories1__c") or "other").lower()
    item = Product(
        sku=plain(data.get("StockKeepingUnit")).strip(),
        name=plain(data.get("Name")),
        description=description,
        features=features,
        category=category,
        item_class=CLASSES.get(data.get("Item_Class__c") or "", "other"),
        billing_cycle=(data.get("Billing_Cycle__c") or "Monthly").lower(),
        price=money(price.data.get("UnitPrice"), currency),
        orderable=bool(data.get("Portal_Accessible__c")),
        is_default=bool(data.get("Is_Default__c")),
        family_only=bool(data.get("SIM_Has_Family_Discount__c")),
        added_automatically=bool(data.get("Auto_Add__c")),
        instant=category in INSTANT and bool(data.get("Portal_Instant__c")),
        requires=listed(data.get("Required_Products__c")),
        excludes=listed(data.get("Mutually_Exclusive__c")),
        facts=_facts(data),
    )
    return {
        "sku": item.sku,
        "salesforce_product_id": product.record_id,
        "pricebook_entry_id": price.record_id,
        "category": category,
        "item_class": item.item_class,
        "name": item.name,
        "billing_cycle": item.billing_cycle,
        "unit_price": decimal(price.data.get("UnitPrice")),
        "currency": currency,
        "orderable": item.orderable,
        "whmcs_product_id": _text(data.get("WH_Product_ID__c")),
        "display_order": _order(data.get("Display_Order__c")),
        "facts": item.facts,
        "as_of": max(product.verified_at, price.verified_at),
        "document": msgspec.json.encode(item),
    }


def _sold(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """One product a SKU: without one nothing can be ordered, and of two with the same the first that was made is meant.
    The others are counted, for staff to correct."""
    sold: dict[str, dict[str, Any]] = {}
    for row in sorted(rows, key=lambda row: str(row["salesforce_product_id"])):
        if not row["sku"] or row["sku"] in sold:
            unreadable.note("salesforce", "Product2", "StockKeepingUnit", row["salesforce_product_id"])
        else:
            sold[row["sku"]] = row
    return list(sold.values())


def _order(value: Any) -> int:
    """What products are sorted by, as far as Postgres can hold it."""
    number = parse.whole_number(value) or 0
    return max(-LAST_PLACE, min(number, LAST_PLACE))


def _facts(data: dict[str, Any]) -> dict[str, Any]:
    """The product's custom fields that have a value, under their names in snake case."""
    named = {snake(name): value for name, value in sorted(data.items()) if name.endswith("__c") and value is not None}
    return {name: value for name, value in named.items() if name not in INTERNAL}


def _text(value: Any) -> str | None:
    """An id that Salesforce may hold as a number."""
    return None if value in (None, "") else str(int(value)) if isinstance(value, float) else str(value)


def listed(text: str | None) -> list[str]:
    """SKUs as staff write several into one field: by commas, semicolons or lines."""
    return [each.strip() for each in re.split(r"[,;\n]", text or "") if each.strip()]


def described(text: str | None) -> tuple[str, list[str]]:
    """A description and the features listed in it: its lines that begin with a bullet."""
    lines = [line.strip() for line in (text or "").splitlines()]
    features = [line.lstrip(BULLETS).strip() for line in lines if line.startswith(tuple(BULLETS))]
    return "\n".join(line for line in lines if line and not line.startswith(tuple(BULLETS))), features


def _documents(rows: Sequence[dict[str, Any]]) -> list[Document]:
    everyone = [row for row in rows if not _product(row).family_only]
    documents = [_document(public_document(), {"items": [_summary(name, everyone) for name in CATEGORIES]})]
    for category in CATEGORIES:
        documents.append(_document(public_document(category), _category(category, everyone)))
        documents.append(_document(account_document(category), _category(category, rows)))
    return documents + [Document(public_document(row["category"], row["sku"]), row["document"]) for row in everyone]


def _document(name: str, value: Any) -> Document:
    return Document(name, msgspec.json.encode(value))


def _product(row: dict[str, Any]) -> Product:
    return msgspec.json.decode(row["document"], type=Product)


def _summary(category: str, rows: Sequence[dict[str, Any]]) -> CategorySummary:
    plans = [row for row in rows if row["category"] == category and row["item_class"] == "service"]
    cheapest = min((row["unit_price"] for row in plans), default=None)
    return CategorySummary(
        category=category,
        name=CATEGORIES[category],
        from_price=money(cheapest, plans[0]["currency"]) if cheapest is not None else None,
        plan_count=len(plans),
    )


def _category(category: str, rows: Sequence[dict[str, Any]]) -> Category:
    products = [_product(row) for row in rows if row["category"] == category]
    of_class = {name: [item for item in products if item.item_class == name] for name in CLASSES.values()}
    regions = dict.fromkeys(item.facts["vpn_region"] for item in products if item.facts.get("vpn_region"))
    return Category(
        category=category,
        name=CATEGORIES[category],
        plans=of_class["service"],
        installations=of_class["installation"],
        activation_fees=of_class["activation"],
        add_ons=of_class["add_on"],
        regions=list(regions),
        bundles=bundles(products),
    )
