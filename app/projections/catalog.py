"""Catalog: Product2 with its PricebookEntry in the portal price book → products and one document per category.

Reads: salesforce Product2, PricebookEntry. Writes: read_model.catalog, documents `catalog…`.
Shown: active, `Portal_Catalog__c`, and with an active price in the portal price book. Orderable: also
`Portal_Accessible__c`, and without unknown picklist values.
"""

import re
from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import Any

import msgspec

from app.events import Record
from app.intake.billing_cycles import MONTHLY, ONETIME, cycle_of
from app.intake.fields import Fields
from app.money import decimal, money, rounded
from app.projections.parts.fields import plain, snake
from app.projections.parts.offers import Offer, ambiguous, category_of, class_of, offers
from app.projections.parts.vocabulary import known
from app.projections.projector import Document, Group, Projected, Projector
from app.readmodels.catalog import (
    CATEGORIES,
    OTHER,
    TABLE,
    Category,
    CategorySummary,
    Product,
    account_document,
    public_document,
)
from app.readmodels.pricing.bundles import bundles
from app.readmodels.services import ADD_ON, FEES, PLAN, UNCLASSED
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
"""Fields that have an attribute of their own, or are internal."""

INSTANT = frozenset({"hosting"})
"""Categories whose products may be activated without a review by staff."""
BULLETS = "-*•・"
SOLD_BY = (MONTHLY, ONETIME)
"""Cycles by which the portal sells: sums are per month, and once."""
PLAN_TYPES = {each.casefold(): each for each in ("DataOnly", "DataSmsVoice", "VoiceOnly")}
LAST = 2**31 - 1


def projector(settings: Settings) -> Projector:
    """Build the projector of the catalog: one portal price book in the portal's currency."""
    currency = settings.salesforce_currency

    def project(group: Group) -> Projected:
        found = offers(
            group.of("Product2"), group.of("PricebookEntry"), settings.salesforce_pricebook_id, currency=currency
        )
        rows = [_row(offer, currency) for offer in found]
        rows.sort(key=lambda row: (row["category"], row["display_order"], row["unit_price"], row["sku"]))
        return Projected(rows=rows, documents=_documents(rows))

    return Projector(
        name="catalog",
        version=5,
        source="salesforce",
        scope="global",
        reads=("Product2", "PricebookEntry"),
        table=TABLE,
        project=project,
        documents=True,
    )


def doubts(products: Sequence[Record], entries: Sequence[Record], *, currency: str) -> Iterator[str]:
    """Yield, for operators, why products meant for the portal are not sold, or which of several prices was chosen.

    The records are those of the portal's price book only.
    """
    yield from ambiguous(products, entries, currency)
    books = {str(each.data.get("Pricebook2Id")) for each in entries}
    for offer in (each for book in books for each in offers(products, entries, book, currency=currency)):
        if offer.product.data.get("Portal_Accessible__c") and not _product_of(offer, currency).orderable:
            data = offer.product.data
            words = {name: data.get(name) for name in ("Item_Class__c", "Billing_Cycle__c", "SIM_Plan_Type__c")}
            said = ", ".join(f"{name} {value!r}" for name, value in words.items())
            yield f"{offer.sku} is not sold: one of {said} is unknown, or no cycle that the portal sells by."


def _row(offer: Offer, currency: str) -> dict[str, Any]:
    product, price = offer.product, offer.price
    item = _product_of(offer, currency)
    fields = Fields("salesforce", "Product2", product.record_id, product.data)
    whmcs_product_id = fields.whole_number("WH_Product_ID__c")
    return {
        "sku": item.sku,
        "salesforce_product_id": product.record_id,
        "pricebook_entry_id": price.record_id,
        "category": item.category,
        "item_class": item.item_class,
        "name": item.name,
        "billing_cycle": item.billing_cycle,
        "unit_price": rounded(offer.amount, currency),
        "currency": currency,
        "orderable": item.orderable,
        "whmcs_product_id": None if whmcs_product_id is None else str(whmcs_product_id),
        "display_order": _position(product.data.get("Display_Order__c")),
        "facts": item.facts,
        "as_of": max(product.verified_at, price.verified_at),
        "document": msgspec.json.encode(item),
    }


def _product_of(offer: Offer, currency: str) -> Product:
    """Build the product as shown. One with an unknown picklist value is not orderable, because fulfilment and billing
    depend on these values."""
    product, data = offer.product, offer.product.data
    description, features = described(data.get("Description"))
    category = category_of(product)
    item_class, cycle = class_of(product), cycle_of(data.get("Billing_Cycle__c"))
    plan_type = known(PLAN_TYPES, product, "SIM_Plan_Type__c")
    classified = item_class != UNCLASSED and (category != "sim" or item_class != PLAN or bool(plan_type))
    return Product(
        sku=offer.sku,
        name=plain(data.get("Name")) or offer.sku,
        description=description,
        features=features,
        category=category or OTHER,
        item_class=item_class,
        billing_cycle=cycle,
        price=money(offer.amount, currency),
        orderable=classified and cycle in SOLD_BY and bool(data.get("Portal_Accessible__c")),
        is_default=bool(data.get("Is_Default__c")),
        family_only=bool(data.get("SIM_Has_Family_Discount__c")),
        added_automatically=bool(data.get("Auto_Add__c")),
        instant=category in INSTANT and bool(data.get("Portal_Instant__c")),
        requires=listed(data.get("Required_Products__c")),
        excludes=listed(data.get("Mutually_Exclusive__c")),
        facts=_facts(data),
    )


def _position(value: Any) -> int:
    """Return the position in the shop; products without a usable number come first."""
    return int(max(Decimal(-LAST), min(Decimal(LAST), decimal(value))))


def _facts(data: dict[str, Any]) -> dict[str, Any]:
    """Return the custom fields that have a value, under their names in snake case."""
    named = {snake(name): value for name, value in sorted(data.items()) if name.endswith("__c") and value is not None}
    return {name: value for name, value in named.items() if name not in INTERNAL}


def listed(text: str | None) -> list[str]:
    """Split a field with several SKUs, separated by commas, semicolons or lines."""
    return [each.strip() for each in re.split(r"[,;\n]", text or "") if each.strip()]


def described(text: str | None) -> tuple[str, list[str]]:
    """Split a description into text and features: the lines that begin with a bullet."""
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
    plans = [row for row in rows if row["category"] == category and row["item_class"] == PLAN]
    cheapest = min((row["unit_price"] for row in plans if row["billing_cycle"] == MONTHLY), default=None)
    return CategorySummary(
        category=category,
        name=CATEGORIES[category],
        from_price=money(cheapest, plans[0]["currency"]) if cheapest is not None else None,
        plan_count=len(plans),
    )


def _category(category: str, rows: Sequence[dict[str, Any]]) -> Category:
    products = [_product(row) for row in rows if row["category"] == category]
    of_class = {name: [item for item in products if item.item_class == name] for name in (PLAN, ADD_ON, *FEES)}
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
