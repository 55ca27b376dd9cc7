"""The category of a service, by the products that bear its number and the name of its group."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import pytest

from app.events import Record
from app.intake import unreadable
from app.projections.parts.categories import category_of, group_categories
from app.settings import SettingsError

AT = datetime(2026, 2, 1, tzinfo=UTC)
GROUPS = {"vpn": "vpn", "phones": "sim"}


def product(word: str | None, *, sold: bool = True) -> Record:
    return _record("salesforce", "Product2", "01tA", {"Product2Categories1__c": word, "IsActive": sold})


def _record(source: str, kind: str, record_id: str, data: dict[str, Any]) -> Record:
    return Record(source=source, object=kind, record_id=record_id, version=1, occurred_at=AT, verified_at=AT, data=data)


def told(products: Sequence[Record], group: str | None) -> tuple[str, list[tuple[str, str, str, str]]]:
    """Return the category, and what was counted as unknown."""
    unreadable.taken()
    service = _record("whmcs", "service", "55", {"groupname": group})
    found = category_of(service, products, GROUPS)
    return found, [(each.source, each.object, each.field, each.record_id) for each in unreadable.taken()]


@pytest.mark.parametrize(
    ("products", "group", "category"),
    [
        ([product("SIM")], "VPN", "sim"),
        ([product("SIM"), product("sim ")], "VPN", "sim"),
        ([product("SIM"), product(None)], "VPN", "sim"),
        ([product("SIM"), product("VPN", sold=False)], None, "sim"),
        ([product("SIM", sold=False)], "VPN", "sim"),
        ([product(None)], " vpn ", "vpn"),
        ([], "Phones", "sim"),
        ([product("Other")], "VPN", "other"),
    ],
    ids=["product", "agree", "one says", "sold counts", "withdrawn", "silent", "group", "said to be other"],
)
def test_the_category_comes_from_the_products_and_then_from_the_group(
    products: list[Record], group: str | None, category: str
) -> None:
    assert told(products, group) == (category, [])


@pytest.mark.parametrize(("products", "group"), [([], None), ([], "Fibre"), ([product("SIM"), product("VPN")], "VPN")])
def test_an_unknown_category_is_other_and_counted(products: list[Record], group: str | None) -> None:
    assert told(products, group) == ("other", [("whmcs", "service", "pid", "55")])


def test_groups_are_called_as_categories_or_as_the_setting_says() -> None:
    found = group_categories("Fibre 1G = internet, Mobile=SIM, , a=b = other")
    assert {name: found.get(name) for name in ("fibre 1g", "mobile", "a=b", "vpn", "web hosting", "hosting")} == {
        "fibre 1g": "internet",
        "mobile": "sim",
        "a=b": "other",
        "vpn": "vpn",
        "web hosting": "hosting",
        "hosting": "hosting",
    }


@pytest.mark.parametrize("setting", ["Fibre=cable", "Fibre", "=sim", "sim"])
def test_a_category_that_there_is_not_is_refused_with_those_that_there_are(setting: str) -> None:
    with pytest.raises(SettingsError, match=rf"WHMCS_GROUP_CATEGORIES has '{setting}'.*internet, sim, .*, other\.$"):
        group_categories(setting)
