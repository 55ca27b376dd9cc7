"""The catalog as a shop reads it: features, what goes together, bundles and what they come to."""

from typing import Any

import pytest

from app.money import money
from app.projections.catalog import described, listed
from app.readmodels.catalog import Product
from app.readmodels.pricing.bundles import bundles


def product(sku: str, item_class: str = "service", price: int = 1_000, **more: Any) -> Product:
    fields: dict[str, Any] = {"billing_cycle": "monthly", "is_default": False, "requires": [], "excludes": [], **more}
    return Product(
        sku=sku,
        name=sku.title(),
        description="",
        category="internet",
        item_class=item_class,
        price=money(price, "JPY"),
        orderable=True,
        family_only=False,
        features=[],
        added_automatically=item_class == "activation",
        instant=False,
        facts={},
        **fields,
    )


SHELF = [
    product("GOLD", price=5_600),
    product("SILVER", price=4_800, excludes=["PHONE"]),
    product("FEE", "activation", 1_500, billing_cycle="onetime"),
    product("INSTALL", "installation", 22_800, billing_cycle="onetime"),
    product("INSTALL-24M", "installation", 950),
    product("PHONE", "add_on", 450),
    product("PHONE-INSTALL", "installation", 1_000, billing_cycle="onetime", requires=["PHONE"]),
    product("INSTALL-WEEKEND", "installation", 300, billing_cycle="onetime"),
    product("GOLD-EXTRA", "add_on", 300, requires=["GOLD"]),
]


def test_a_bundle_names_what_goes_with_a_plan_and_what_it_costs_at_least() -> None:
    gold, silver = bundles(SHELF)

    assert (gold.plan, gold.activation_fees, gold.installations) == ("GOLD", ["FEE"], ["INSTALL", "INSTALL-24M"])
    assert gold.add_ons == ["PHONE", "GOLD-EXTRA", "INSTALL-WEEKEND"]
    assert (gold.monthly.amount, gold.one_time.amount) == ("6550", "1500")
    assert silver.add_ons == ["INSTALL-WEEKEND"]


def test_a_plan_alone_is_a_bundle_too() -> None:
    [only] = bundles([product("BASIC", price=800)])

    assert (only.monthly.amount, only.one_time.amount, only.installations) == ("800", "0", [])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (None, ("", [])),
        ("Fast.", ("Fast.", [])),
        ("Fast.\n- 1 Gbps\n• no limit\n\n・IPv6", ("Fast.", ["1 Gbps", "no limit", "IPv6"])),
        ("A-la-carte\nIPv6 - included", ("A-la-carte\nIPv6 - included", [])),
    ],
)
def test_features_are_the_bulleted_lines_of_a_description(text: str | None, expected: tuple[str, list[str]]) -> None:
    assert described(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"), [(None, []), ("A", ["A"]), ("A, B;C\nD", ["A", "B", "C", "D"]), (" , ", [])]
)
def test_skus_are_listed_as_staff_write_them(text: str | None, expected: list[str]) -> None:
    assert listed(text) == expected
