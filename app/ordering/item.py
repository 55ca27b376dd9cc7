"""One product of a basket, as the order rules see it."""

from collections.abc import Mapping
from typing import Any

from msgspec import Struct, convert
from msgspec.structs import replace

MADE_ONCE = {"internet": "Internet", "sim": "SIM", "vpn": "VPN", "hosting": "web hosting"}
"""Category of the catalog → its name within a sentence. An order makes one service of each: one line, one SIM, one VPN,
one hosting account. Products of other categories are no services, and only staff sell them."""
PLAN = "service"
"""The item class of a plan."""


class Item(Struct, frozen=True, kw_only=True):
    """A product, from the catalog or from an order in Salesforce; an empty value is one that the product lacks.

    Attributes:
        category: a category of the catalog, or `other`.
        item_class: `service`, `installation`, `activation`, `add_on` or `other`.
        offering: the Internet line that a plan needs, e.g. `Home 1G`.
        region: the VPN region that the product offers.
        requires, excludes: SKUs.
    """

    sku: str
    name: str
    category: str
    item_class: str
    orderable: bool = True
    family_only: bool = False
    offering: str = ""
    region: str = ""
    requires: tuple[str, ...] = ()
    excludes: tuple[str, ...] = ()

    @property
    def is_plan(self) -> bool:
        """True for a plan of a category that is made once."""
        return self.item_class == PLAN and self.category in MADE_ONCE


def item_of(product: Struct, facts: Mapping[str, Any]) -> Item:
    """Return a product of the catalog as the rules see it; `facts` are its further fields, named in snake case."""
    return replace(
        convert(product, Item, from_attributes=True),
        family_only=bool(facts.get("sim_has_family_discount")),
        offering=str(facts.get("internet_offering_type") or ""),
        region=str(facts.get("vpn_region") or ""),
    )
