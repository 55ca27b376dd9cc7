"""Offers and their prices: nothing ambiguous, and nothing in another currency than the portal's."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import msgspec
import pytest
from structlog.testing import capture_logs

from app.events import Record
from app.intake import unreadable
from app.projections.catalog import projector
from app.projections.parts.offers import ambiguous
from app.projections.projector import Group
from app.settings import Settings
from tests.fixtures.changes import PRODUCT

AT = datetime(2026, 2, 1, tzinfo=UTC)


def record(kind: str, record_id: str, data: dict[str, Any]) -> Record:
    return Record(
        source="salesforce", object=kind, record_id=record_id, version=1, occurred_at=AT, verified_at=AT, data=data
    )


def product(record_id: str = "01tA", **fields: Any) -> Record:
    return record("Product2", record_id, {**PRODUCT, "StockKeepingUnit": f"SKU-{record_id}", **fields})


class Shop:
    """The catalog of some records."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def entry(self, record_id: str = "01uA", product_id: str = "01tA", **fields: Any) -> Record:
        base = {"Product2Id": product_id, "Pricebook2Id": self._settings.salesforce_pricebook_id, "IsActive": True}
        return record("PricebookEntry", record_id, {**base, "UnitPrice": 3500.0, **fields})

    def rows(self, *records: Record) -> dict[str, dict[str, Any]]:
        """SKU → row."""
        group = Group(account_id=UUID(int=1), item_id="", records=records, context={})
        return {row["sku"]: dict(row) for row in projector(self._settings).project(group).rows}


@pytest.fixture
def shop(settings: Settings) -> Shop:
    unreadable.taken()
    return Shop(settings)


def counted() -> list[tuple[str, str, str]]:
    return [(each.object, each.field, each.record_id) for each in unreadable.taken()]


@pytest.mark.parametrize("ids", [("01uA", "01uB"), ("01uB", "01uA")])
def test_only_the_portals_currency_counts(shop: Shop, ids: tuple[str, str]) -> None:
    dollars, yen = ids
    found = shop.rows(
        product(),
        shop.entry(dollars, UnitPrice=29.0, CurrencyIsoCode="USD"),
        shop.entry(yen, UnitPrice=3500.0, CurrencyIsoCode="JPY"),
    )
    assert found["SKU-01tA"]["unit_price"] == Decimal(3500)
    assert found["SKU-01tA"]["pricebook_entry_id"] == yen
    assert msgspec.json.decode(found["SKU-01tA"]["document"])["price"] == {"amount": "3500", "currency": "JPY"}
    assert counted() == []


def test_a_product_priced_in_another_currency_alone_is_not_sold(shop: Shop) -> None:
    assert shop.rows(product(), shop.entry(CurrencyIsoCode="USD")) == {}


@pytest.mark.parametrize("currency", ["JPY", "jpy", None])
def test_of_two_prices_in_one_currency_the_lowest_id_counts_and_it_is_logged(shop: Shop, currency: Any) -> None:
    later = shop.entry("01uB", UnitPrice=9.0, CurrencyIsoCode=currency)
    found = shop.rows(product(), later, shop.entry("01uA", UnitPrice=3500.0, CurrencyIsoCode=currency))
    assert found["SKU-01tA"]["unit_price"] == Decimal(3500)
    assert counted() == [("PricebookEntry", "CurrencyIsoCode", "01uB")]


@pytest.mark.parametrize("price", [None, "", "free", -1.0])
def test_a_price_that_says_no_amount_is_not_one_of_nothing(shop: Shop, price: Any) -> None:
    assert shop.rows(product(), shop.entry(UnitPrice=price)) == {}
    assert counted() == [("PricebookEntry", "UnitPrice", "01uA")]


@pytest.mark.parametrize("sku", [None, "", "  ", "\u3000"])
def test_a_product_without_a_sku_is_not_sold_and_the_others_are(shop: Shop, sku: Any) -> None:
    found = shop.rows(
        product(StockKeepingUnit=sku), shop.entry(), product("01tB"), shop.entry("01uB", product_id="01tB")
    )
    assert list(found) == ["SKU-01tB"]
    assert counted() == [("Product2", "StockKeepingUnit", "01tA")]


@pytest.mark.parametrize("second", ["SIM-5GB", " SIM-5GB "])
def test_of_products_that_share_a_sku_none_is_sold(shop: Shop, second: str) -> None:
    twins = (product(StockKeepingUnit="SIM-5GB"), product("01tB", StockKeepingUnit=second))
    prices = (shop.entry(), shop.entry("01uB", product_id="01tB"), shop.entry("01uC", product_id="01tC"))
    assert list(shop.rows(*twins, product("01tC"), *prices)) == ["SKU-01tC"]
    assert counted() == [("Product2", "StockKeepingUnit", "01tB")], "both are counted, the last one is named"


def test_a_withdrawn_product_takes_no_sku_from_its_successor(shop: Shop) -> None:
    old = product(StockKeepingUnit="SIM-5GB", IsActive=False)
    new = product("01tB", StockKeepingUnit="SIM-5GB")
    assert list(shop.rows(old, new, shop.entry(), shop.entry("01uB", product_id="01tB"))) == ["SIM-5GB"]


@pytest.mark.parametrize(
    "fields",
    [
        {"SIM_Plan_Type__c": "Voice"},
        {"SIM_Plan_Type__c": " "},
        {"SIM_Plan_Type__c": None},
        {"Billing_Cycle__c": "Fortnightly"},
        {"Billing_Cycle__c": None},
        {"Item_Class__c": "Bundle"},
        {"Item_Class__c": None},
    ],
)
def test_a_product_with_a_word_that_nobody_knows_is_shown_and_not_sold(shop: Shop, fields: dict[str, Any]) -> None:
    assert [row["orderable"] for row in shop.rows(product(**fields), shop.entry()).values()] == [False]


@pytest.mark.parametrize("fields", [{}, {"SIM_Plan_Type__c": "dataonly "}, {"Item_Class__c": "service"}])
def test_words_may_be_typed_differently(shop: Shop, fields: dict[str, Any]) -> None:
    assert [row["orderable"] for row in shop.rows(product(**fields), shop.entry()).values()] == [True]


@pytest.mark.parametrize(
    ("word", "category"),
    [
        ("SIM", "sim"),
        (" sim ", "sim"),
        ("ＶＰＮ", "vpn"),
        ("Other", "other"),
        ("Internet TV", "other"),
        (None, "other"),
    ],
)
def test_a_category_is_one_of_the_words_and_no_part_of_one(shop: Shop, word: Any, category: str) -> None:
    assert [row["category"] for row in shop.rows(product(Product2Categories1__c=word), shop.entry()).values()] == [
        category
    ]


@pytest.mark.parametrize("fields", [{"Name": None}, {"Display_Order__c": "soon"}, {"Display_Order__c": 1e12}])
def test_an_odd_record_is_shown_all_the_same(shop: Shop, fields: dict[str, Any]) -> None:
    assert list(shop.rows(product(**fields), shop.entry())) == ["SKU-01tA"]


@pytest.mark.parametrize(("price", "shown"), [(0, "0"), ("0.4", "0"), ("0.5", "1")])
def test_a_price_of_nothing_is_a_price(shop: Shop, price: Any, shown: str) -> None:
    [row] = shop.rows(product(), shop.entry(UnitPrice=price)).values()
    assert msgspec.json.decode(row["document"])["price"]["amount"] == shown


def test_what_is_not_sold_is_logged_with_what_it_is_about(shop: Shop) -> None:
    with capture_logs() as logged:
        shop.rows(product(StockKeepingUnit=None), shop.entry("01uA", product_id="01tB", UnitPrice="free"))
        shop.rows(product("01tC"), shop.entry("01uC", product_id="01tC"), shop.entry("01uD", product_id="01tC"))
    assert [(each["event"], each["record_id"]) for each in logged] == [
        ("catalog_price_unreadable", "01uA"),
        ("catalog_product_without_own_sku", "01tA"),
        ("catalog_two_prices", "01uD"),
    ]


def test_operators_see_the_faults_of_the_catalog(shop: Shop) -> None:
    products = [
        product("01tA", Name="SIM 5 GB", StockKeepingUnit="SIM-5"),
        product("01tB", Name=None, StockKeepingUnit=" "),
        product("01tC", Name="SIM C", StockKeepingUnit="SIM-X"),
        product("01tD", Name="SIM D", StockKeepingUnit="SIM-X"),
    ]
    entries = [
        shop.entry("01uA", CurrencyIsoCode="JPY"),
        shop.entry("01uB", CurrencyIsoCode="jpy"),
        shop.entry("01uC", CurrencyIsoCode="USD"),
        shop.entry("01uD", product_id="01tC", UnitPrice="free"),
        shop.entry("01uE", product_id="01tB"),
        shop.entry("01uF", product_id="01tB"),
        shop.entry("01uG", product_id="01tZ", UnitPrice=None),
    ]
    assert list(ambiguous(products, entries, "JPY")) == [
        "01tB is not sold: it has no StockKeepingUnit.",
        "SIM C (01tC) is not sold: 2 products have the StockKeepingUnit SIM-X.",
        "SIM D (01tD) is not sold: 2 products have the StockKeepingUnit SIM-X.",
        "SIM-5 has 2 prices in JPY: the first by id counts.",
        "01tB has 2 prices in JPY: the first by id counts.",
        "SIM-X has a price (01uD) that says no amount.",
        "01uG has a price (01uG) that says no amount.",
    ]
