"""What an order agreed: one rule, in one currency; and no code that takes an amount to be in the org's currency by
itself."""

import re
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import app
from app.money import exponent
from app.readmodels.pricing.agreed import AgreedPrice, StatedPrices, agreed_price
from app.readmodels.pricing.prices import billable, currency_code, same_currency

APP = Path(app.__file__).parent
ASSUMES_THE_ORGS_CURRENCY = {
    "settings.py": "the setting",
    "projections/catalog.py": "the price book's prices, which queries turn into those of the account",
    "projections/orders.py": "a sales price of an org that has one currency; what counts is what the order records",
    "processes/compare_prices.py": "prices of the price book, compared with WHMCS's in that currency",
    "cli/doctor/prices.py": "the same for operators",
    "cli/doctor/salesforce.py": "prices of the price book",
    "commands/orders/place_order.py": "tells which customers are billed the price book's prices",
    "commands/orders/check_order.py": "tells who is shown the amount of a promotion",
    "commands/fulfilment/agreed_terms.py": "a sales price of an org that has one currency",
}
READS_A_SALES_PRICE = {
    "integrations/salesforce/wire.py": "the mirrored fields",
    "integrations/salesforce/org/needs.py": "what the org must have",
    "integrations/salesforce/orders.py": "writes it, and reads the price book",
    "integrations/salesforce/activation.py": "hands it to fulfilment with its currency",
    "projections/parts/offers.py": "the price book",
    "projections/parts/price_drift.py": "the price book",
    "projections/parts/order_prices.py": "the rule of what was agreed",
    "ingest/privacy/mask.py": "a name that is not personal",
    "cli/demo/tour.py": "the demo of a price that changes in Salesforce",
}


def files_with(pattern: str) -> set[str]:
    found = re.compile(pattern)
    return {str(path.relative_to(APP)) for path in APP.rglob("*.py") if found.search(path.read_text())}


def test_no_other_code_takes_an_amount_to_be_in_the_orgs_currency() -> None:
    assert files_with(r"\bsalesforce_currency\b") == set(ASSUMES_THE_ORGS_CURRENCY)


def test_no_other_code_reads_the_sales_price_of_an_order() -> None:
    assert files_with(r"\bUnitPrice\b") == set(READS_A_SALES_PRICE)


def stated(**fields: Any) -> StatedPrices:
    base = {"sales_price": "2700", "sales_currency": "JPY", "billed_price": "18.00", "billed_setup_fee": "5.00"}
    return StatedPrices(**{**base, **fields})


@pytest.mark.parametrize(
    ("fields", "currency", "expected"),
    [
        ({}, "JPY", AgreedPrice(amount=Decimal(2700))),
        ({}, " jpy ", AgreedPrice(amount=Decimal(2700))),
        ({}, "USD", AgreedPrice(amount=Decimal(18), setup_fee=Decimal(5))),
        ({"billed_setup_fee": None}, "USD", AgreedPrice(amount=Decimal(18))),
        ({"billed_setup_fee": "?"}, "USD", None),
        ({"billed_price": None}, "USD", None),
        ({"billed_price": "?"}, "USD", None),
        ({"sales_price": None}, "JPY", None),
        ({"sales_price": None}, "USD", AgreedPrice(amount=Decimal(18), setup_fee=Decimal(5))),
        ({"sales_currency": "", "billed_price": None}, "", None),
        ({"sales_currency": "USD"}, "JPY", AgreedPrice(amount=Decimal(18), setup_fee=Decimal(5))),
        ({"billed_price": 0, "billed_setup_fee": 0}, "USD", AgreedPrice(amount=Decimal(0))),
    ],
)
def test_one_price_counts(fields: dict[str, Any], currency: str, expected: AgreedPrice | None) -> None:
    assert agreed_price(stated(**fields), currency) == expected


@pytest.mark.parametrize(
    ("amount", "currency", "expected"),
    [
        ("1480.5", "JPY", "1481"),
        ("1480.4", "JPY", "1480"),
        ("16.665", "USD", "16.67"),
        ("1.505", "KWD", "1.51"),
        ("1.2345", "CLF", "1.23"),
        ("16.665", "XYZ", "16.67"),
        ("0", "KWD", "0"),
    ],
)
def test_an_amount_is_what_whmcs_can_store(amount: str, currency: str, expected: str) -> None:
    assert billable(Decimal(amount), currency) == Decimal(expected)


@given(st.decimals(0, 10**9, places=5), st.sampled_from(["JPY", "USD", "KWD", "CLF", "VND", "???"]))
def test_rounding_twice_changes_nothing(amount: Decimal, currency: str) -> None:
    once = billable(amount, currency)
    assert billable(once, currency) == once
    assert once == once.quantize(Decimal(1).scaleb(-min(exponent(currency), 2)))
    assert abs(once - amount) <= Decimal("0.5").scaleb(-min(exponent(currency), 2)) + Decimal("0.0005")


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [("JPY", "jpy ", True), ("JPY", "USD", False), ("", "", False), (None, None, False), ("JPY", None, False)],
)
def test_an_unknown_currency_is_no_others(one: str | None, other: str | None, same: bool) -> None:
    assert same_currency(one, other) is same
    assert currency_code(one) == (one or "").strip().upper()
