"""Catalog: the products that the portal shows, with their price in the portal price book.

Fields with a default came with version 2: while a new release rebuilds, it still reads documents of the version before.
"""

from typing import Annotated, Any

from msgspec import Struct

from app.intake.billing_cycles import CycleWord
from app.intake.words import one_of
from app.money import Money
from app.readmodels.pricing.tax import TaxWord
from app.readmodels.services import ClassWord
from app.readmodels.table import Table

CATEGORIES = {"internet": "Internet", "sim": "SIM", "vpn": "VPN", "hosting": "Web hosting"}
"""Category → its display name, in display order."""
OTHER = "other"
"""The category of a product in none of them, or of unknown category. It neither blocks nor unlocks an order."""
CategoryWord = Annotated[str, one_of([*CATEGORIES, OTHER])]
"""A category in a document; `other` where Salesforce's word is none of them."""

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
    """A product. `tax` says whether `price` contains the consumption tax of `tax_rate` percent; `price_with_tax` and
    `tax_rate` are null where the rate is unknown. A `setup_fee` is billed once, with the first period.

    `requires` and `excludes` are SKUs that must, or must not, be ordered with it. `added_automatically` marks items
    that a shop adds to the basket by itself, such as an activation fee. An `instant` product is activated as soon as
    its invoice is paid, without staff review.
    """

    sku: str
    name: str
    description: str
    category: CategoryWord
    item_class: ClassWord
    billing_cycle: CycleWord
    price: Money
    price_with_tax: Money | None = None
    setup_fee: Money | None = None
    setup_fee_with_tax: Money | None = None
    tax: TaxWord = "excluded"
    tax_rate: str | None = None
    orderable: bool
    """Whether it can be ordered at present."""
    is_default: bool
    """Whether it is chosen where the customer does not choose."""
    family_only: bool
    """Whether only further lines of a family may have it."""
    features: list[str] = []
    """What it offers, to be shown."""
    added_automatically: bool = False
    """Whether it is added to an order without being chosen."""
    instant: bool = False
    """Whether it is provided at once."""
    requires: list[str] = []
    """The SKUs of which one has to be ordered with it."""
    excludes: list[str] = []
    """The SKUs that cannot be ordered with it."""
    facts: dict[str, Any]


class CategorySummary(Struct, frozen=True, kw_only=True):
    """A category on the storefront's first page; `from_price` is the cheapest plan's monthly price. Tax is as with a
    product."""

    category: CategoryWord
    name: str
    from_price: Money | None
    """The cheapest plan's price per month; null without a plan."""
    from_price_with_tax: Money | None = None
    """That price with consumption tax; null where the rate is unknown."""
    tax: TaxWord = "excluded"
    tax_rate: str | None = None
    plan_count: int
    """The number of plans."""


class Bundle(Struct, frozen=True, kw_only=True):
    """A plan with its related items, as SKUs, and their minimum price.

    `activation_fees` come with it, `installations` are the ways it can be installed and paid for, of which an order has
    one. `add_ons` are optional; surcharges on an installation are among them. Both prices include the plan, its fees
    and the installation with the lowest initial cost. Tax is as with a product.
    """

    plan: str
    """The SKU of the plan."""
    activation_fees: list[str]
    installations: list[str]
    add_ons: list[str]
    monthly: Money
    monthly_with_tax: Money | None = None
    one_time: Money
    """The price that is billed once."""
    one_time_with_tax: Money | None = None
    tax: TaxWord = "excluded"
    tax_rate: str | None = None


class Category(Struct, frozen=True, kw_only=True):
    """Everything that a shop page of one category needs."""

    category: CategoryWord
    name: str
    plans: list[Product]
    installations: list[Product]
    activation_fees: list[Product]
    add_ons: list[Product]
    regions: list[str]
    bundles: list[Bundle] = []


def public_document(category: str | None = None, sku: str | None = None) -> str:
    """Name a document that is the same for everyone."""
    return "/".join(part for part in ("catalog", category, sku) if part)


def account_document(category: str) -> str:
    """Name the document with the variants that only some accounts may see."""
    return f"catalog-for-accounts/{category}"
