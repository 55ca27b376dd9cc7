"""Drift of prices: every active entry of the price book against WHMCS's price of the same currency and cycle."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from app.events import Record
from app.projections.parts.price_drift import PriceComparison, PriceDriftCount, comparisons, counted
from app.readmodels.pricing.prices import OwnPrice

AT = datetime(2026, 1, 31, tzinfo=UTC)
PRODUCT = {
    "IsActive": True,
    "Portal_Catalog__c": True,
    "StockKeepingUnit": "VPN",
    "WH_Product_ID__c": 401.0,
    "Billing_Cycle__c": "Monthly",
}
ENTRY = {"Product2Id": "01tA", "Pricebook2Id": "01s", "IsActive": True, "UnitPrice": 1500}
OWN = {
    ("401", "JPY", "monthly"): OwnPrice(offered=True, amount=Decimal(1500), setup_fee=Decimal(0)),
    ("401", "USD", "monthly"): OwnPrice(offered=True, amount=Decimal(12), setup_fee=Decimal(0)),
}


def record(name: str, record_id: str, data: dict[str, Any]) -> Record:
    return Record(
        source="salesforce",
        object=name,
        record_id=record_id,
        version=1,
        occurred_at=AT,
        verified_at=AT,
        data=data,
    )


def compare(product: dict[str, Any], *entries: dict[str, Any], own: Any = None) -> list[PriceComparison]:
    listed = [record("PricebookEntry", f"01u{n}", {**ENTRY, **each}) for n, each in enumerate(entries)]
    products = [record("Product2", "01tA", {**PRODUCT, **product})]
    return list(comparisons(products, listed, OWN if own is None else own, pricebook_id="01s", currency="JPY"))


def test_equal_prices_agree_and_others_are_named_by_currency_and_cycle() -> None:
    found = compare({}, {}, {"CurrencyIsoCode": "USD", "UnitPrice": 10})
    assert [each.differs for each in found] == [False, True]
    assert str(found[1]) == "VPN is 10.00 USD monthly in the price book; WHMCS's product 401 is 12.00 USD."
    assert counted(found) == [
        PriceDriftCount(currency="JPY", billing_cycle="monthly", compared=1, differing=0),
        PriceDriftCount(currency="USD", billing_cycle="monthly", compared=1, differing=1),
    ]


@pytest.mark.parametrize(
    ("own", "said"),
    [
        ({}, "WHMCS's product 401 has no such price."),
        (OwnPrice(offered=False, amount=None, setup_fee=None), "WHMCS's product 401 is not offered so."),
        (
            OwnPrice(offered=True, amount=Decimal(1500), setup_fee=Decimal(99)),
            "WHMCS's product 401 is 1,500 JPY and a set-up fee of 99 JPY.",
        ),
    ],
)
def test_a_missing_price_and_a_set_up_fee_are_differences(own: Any, said: str) -> None:
    [found] = compare({}, {}, own={("401", "JPY", "monthly"): own} if own else {})
    assert found.differs
    assert str(found).endswith(said)


@pytest.mark.parametrize(
    ("product", "entry"),
    [
        ({"IsActive": False}, {}),
        ({"Portal_Catalog__c": False}, {}),
        ({"WH_Product_ID__c": None}, {}),
        ({}, {"IsActive": False}),
        ({}, {"Pricebook2Id": "01sOther"}),
        ({}, {"UnitPrice": "tbd"}),
    ],
)
def test_what_is_not_sold_is_not_compared(product: dict[str, Any], entry: dict[str, Any]) -> None:
    assert compare(product, entry) == []
