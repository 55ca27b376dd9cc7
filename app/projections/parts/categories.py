"""The category of a service, determined by its product and never by its free-text name.

The catalog finds the product by its number in WHMCS. Without one, the name of WHMCS's product group decides, if it
equals a category's name or is configured to mean one. Any other service is `other`, which neither blocks Internet nor
unlocks anything, and is counted.
"""

from collections.abc import Mapping, Sequence

from app.events import Record
from app.intake import unreadable
from app.intake.words import folded
from app.projections.parts.offers import category_of as category_of_product
from app.readmodels.catalog import CATEGORIES, OTHER
from app.settings import SettingsError


def category_of(service: Record, products: Sequence[Record], groups: Mapping[str, str]) -> str:
    """Return the category on which all products with the service's number agree, preferring those on sale."""
    named = {category_of_product(each) for each in on_sale(products)} - {None}
    if len(named) == 1:
        return str(named.pop())
    found = None if named else groups.get(folded(service.data.get("groupname")))
    if found is None:
        unreadable.note("whmcs", "service", "pid", service.record_id)
    return found or OTHER


def group_categories(setting: str) -> dict[str, str]:
    """Map names of product groups, folded, to categories.

    Raises:
        SettingsError: one is mapped to an unknown category.
    """
    found = {folded(name): category for category, shown in CATEGORIES.items() for name in (category, shown)}
    for pair in filter(None, (each.strip() for each in setting.split(","))):
        name, _, category = pair.rpartition("=")
        if not name or folded(category) not in {*CATEGORIES, OTHER}:
            known = ", ".join((*CATEGORIES, OTHER))
            raise SettingsError(f"WHMCS_GROUP_CATEGORIES has {pair!r}: write Group=category, one of {known}.")
        found[folded(name)] = folded(category)
    return found


def on_sale(products: Sequence[Record]) -> Sequence[Record]:
    """Return the products on sale, or all if none is: a withdrawn one still tells what was sold."""
    return [each for each in products if each.data.get("IsActive")] or products
