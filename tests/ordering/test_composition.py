"""A plan is available only if the catalog has what an order of it must come with."""

from typing import Any

import pytest

from app.ordering.composition import can_be_completed
from app.ordering.item import Item


def item(sku: str, category: str, item_class: str = "service", **more: Any) -> Item:
    return Item(sku=sku, name=sku, category=category, item_class=item_class, **more)


FEE = item("FEE", "sim", "activation")
PLAN = item("PLAN", "sim")


@pytest.mark.parametrize(
    ("plan", "others", "can"),
    [
        (PLAN, [FEE], True),
        (PLAN, [], False),
        (PLAN, [item("FEE", "sim", "activation", orderable=False)], False),
        (PLAN, [item("FEE", "sim", "activation", excludes=("PLAN",))], False),
        (item("PLAN", "sim", excludes=("FEE",)), [FEE], False),
        (PLAN, [item("MAIL", "sim", "add_on")], False),
        (item("PLAN", "sim", requires=("MAIL",)), [FEE], False),
        (item("PLAN", "sim", requires=("MAIL",)), [FEE, item("MAIL", "sim", "add_on")], True),
        (item("PLAN", "internet"), [item("INSTALL", "internet", "installation")], True),
        (item("PLAN", "internet"), [item("FEE", "internet", "activation")], False),
        (item("PLAN", "internet"), [item("INSTALL-WEEKEND", "internet", "installation")], False),
        (item("PLAN", "internet"), [item("INSTALL-WEEKEND-12M", "internet", "installation")], True),
        (item("PLAN", "internet"), [item("PHONE-INSTALL", "internet", "installation", requires=("PHONE",))], False),
        (item("PLAN", "internet"), [item("INSTALL-10G", "internet", "installation", requires=("PLAN",))], True),
        (item("PLAN", "vpn"), [item("FEE", "vpn", "activation")], True),
        (item("PLAN", "vpn"), [], False),
        (item("PLAN", "hosting"), [], True),
    ],
)
def test_a_plan_needs_its_companions_on_sale(plan: Item, others: list[Item], can: bool) -> None:
    assert can_be_completed(plan, others) is can
