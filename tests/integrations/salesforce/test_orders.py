"""Prices of price book entries: a spoilt answer never makes a product look withdrawn."""

from decimal import Decimal
from typing import Any

import pytest

from app.errors import UpstreamMalformed
from app.integrations.salesforce.orders import Price, _price

ENTRY: dict[str, Any] = {
    "Id": "01u5h000000001GAAQ",
    "UnitPrice": 1500.0,
    "IsActive": True,
    "Product2": {"IsActive": True, "Portal_Accessible__c": True},
}


def test_an_entry_is_its_price_and_whether_it_can_be_ordered() -> None:
    assert _price(ENTRY) == Price(ENTRY["Id"], Decimal("1500"), True)


@pytest.mark.parametrize(
    "off",
    [
        {"IsActive": False},
        {"Product2": {"IsActive": False, "Portal_Accessible__c": True}},
        {"Product2": {"IsActive": True, "Portal_Accessible__c": False}},
        {"Product2": None},
    ],
)
def test_what_staff_took_off_the_shelf_was_withdrawn(off: dict[str, Any]) -> None:
    assert not _price({**ENTRY, **off}).orderable


@pytest.mark.parametrize(
    "spoilt",
    [
        {"UnitPrice": None},
        {"UnitPrice": "free"},
        {"IsActive": None},
        {"IsActive": "true"},
        {"Product2": {"IsActive": None, "Portal_Accessible__c": True}},
        {"Product2": {"IsActive": True, "Portal_Accessible__c": None}},
    ],
)
def test_what_cannot_be_read_was_not_withdrawn(spoilt: dict[str, Any]) -> None:
    with pytest.raises(UpstreamMalformed):
        _price({**ENTRY, **spoilt})
