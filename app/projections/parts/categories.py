"""The category of a service, by what its product is and never by what anybody called it.

The catalog knows the product by its number in WHMCS. Where it does not, the name of WHMCS's product group tells, if the
whole of it is a category's name or is said to mean one. Of any other service nobody can tell: it is `other`, which
neither blocks Internet nor unlocks anything, and is counted.
"""

from collections.abc import Mapping, Sequence

from app.events import Record
from app.intake import unreadable
from app.intake.words import folded
from app.projections.parts.offers import category_of as category_of_product
from app.readmodels.catalog import CATEGORIES, OTHER
from app.settings import SettingsError


def category_of(service: Record, products: Sequence[Record], groups: Mapping[str, str]) -> str:
    """Of the products that bear the service's number those that are sold count; they must all say the same."""
    told = {category_of_product(each) for each in _those_sold(products)} - {None}
    if len(told) == 1:
        return str(told.pop())
    found = None if told else groups.get(folded(service.data.get("groupname")))
    if found is None:
        unreadable.note("whmcs", "service", "pid", service.record_id)
    return found or OTHER


def group_categories(setting: str) -> dict[str, str]:
    """Names of product groups, folded → category.

    Raises:
        SettingsError: one is said to mean a category that there is not.
    """
    found = {folded(name): category for category, shown in CATEGORIES.items() for name in (category, shown)}
    for pair in filter(None, (each.strip() for each in setting.split(","))):
        name, _, category = pair.rpartition("=")
        if not name or folded(category) not in {*CATEGORIES, OTHER}:
            known = ", ".join((*CATEGORIES, OTHER))
            raise SettingsError(f"WHMCS_GROUP_CATEGORIES has {pair!r}: write Group=category, one of {known}.")
        found[folded(name)] = folded(category)
    return found


def _those_sold(products: Sequence[Record]) -> Sequence[Record]:
    return [each for each in products if each.data.get("IsActive")] or products
