"""Catalog: products the portal shows, with their price in the portal price book.

What has a default came with version 2: while a new release rebuilds, it still reads documents of the version before.
"""

from typing import Any

from msgspec import Struct

from app.money import Money
from app.readmodels.table import Table

CATEGORIES = {"internet": "Internet", "sim": "SIM", "vpn": "VPN", "hosting": "Web hosting"}
"""Category → the name customers read, in display order."""
OTHER = "other"
"""The category of what is in none of them, and of what nobody can tell. It neither blocks nor unlocks anything."""

TABLE = Table(
    "catalog",
    "sku",
    {
        "account_id": "uuid",
        "sku": "text",
        "salesforce_product_id": "text",
        "pricebook_entry_id": "text",
        "category": "text",
        "item_class": "text",
        "name": "text",
        "billing_cycle": "text",
        "unit_price": "numeric",
        "currency": "text",
        "orderable": "bool",
        "whmcs_product_id": "text",
        "display_order": "int",
        "facts": "jsonb",
        "version": "bigint",
        "as_of": "timestamptz",
        "document": "bytea",
    },
)


class Product(Struct, frozen=True, kw_only=True):
    """One product. Prices exclude consumption tax.

    `requires` and `excludes` are SKUs that must, or must not, be ordered with it; `added_automatically` is what a shop
    puts into the basket by itself, such as an activation fee. What is `instant` is activated as soon as its invoice is
    paid, without staff's review.
    """

    sku: str
    name: str
    description: str
    category: str
    item_class: str
    billing_cycle: str
    price: Money
    tax: str = "excluded"
    orderable: bool
    is_default: bool
    family_only: bool
    features: list[str] = []
    added_automatically: bool = False
    instant: bool = False
    requires: list[str] = []
    excludes: list[str] = []
    facts: dict[str, Any]


class CategorySummary(Struct, frozen=True, kw_only=True):
    """One line of the storefront's first page; `from_price` is the cheapest plan's monthly price."""

    category: str
    name: str
    from_price: Money | None
    plan_count: int


class Bundle(Struct, frozen=True, kw_only=True):
    """A plan with what belongs to it, as SKUs, and what that comes to at least.

    `activation_fees` come with it, `installations` are the ways it can be installed and paid for, `add_ons` are
    optional. The two prices are of the plan with its fees and the installation that costs least at first.
    """

    plan: str
    activation_fees: list[str]
    installations: list[str]
    add_ons: list[str]
    monthly: Money
    one_time: Money


class Category(Struct, frozen=True, kw_only=True):
    """All a shop page of one category needs."""

    category: str
    name: str
    plans: list[Product]
    installations: list[Product]
    activation_fees: list[Product]
    add_ons: list[Product]
    regions: list[str]
    bundles: list[Bundle] = []


def public_document(category: str | None = None, sku: str | None = None) -> str:
    """Names of the documents that are the same for everyone."""
    return "/".join(part for part in ("catalog", category, sku) if part)


def account_document(category: str) -> str:
    """Name of the document with the variants that only some accounts may see."""
    return f"catalog-for-accounts/{category}"
