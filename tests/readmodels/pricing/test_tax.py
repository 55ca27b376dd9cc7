"""Tax: shown where everything about it is known, and null as soon as anything is not."""

from decimal import Decimal

import pytest

from app.money import Money
from app.readmodels.pricing.tax import UNKNOWN, Tax, TaxTreatment, public_tax, tax_for, tax_rates
from app.settings import SettingsError

RATES = tax_rates("JP=10, *=0")
EXCLUSIVE = TaxTreatment(enabled=True, included=False)
INCLUSIVE = TaxTreatment(enabled=True, included=True)
TEN = Tax(rate=Decimal(10))


@pytest.mark.parametrize(
    ("treatment", "country", "exempt", "expected"),
    [
        (EXCLUSIVE, "JP", False, TEN),
        (EXCLUSIVE, "jp", False, TEN),
        (EXCLUSIVE, "US", False, Tax(rate=Decimal(0))),
        (EXCLUSIVE, None, False, Tax(rate=Decimal(0))),
        (EXCLUSIVE, "JP", True, Tax(rate=Decimal(0))),
        (EXCLUSIVE, "JP", None, UNKNOWN),
        (None, "JP", False, UNKNOWN),
        (TaxTreatment(enabled=None, included=False), "JP", False, UNKNOWN),
        (TaxTreatment(enabled=True, included=None), "JP", False, UNKNOWN),
        (TaxTreatment(enabled=False, included=False), "JP", None, Tax(rate=Decimal(0))),
        (INCLUSIVE, "JP", False, Tax(rate=Decimal(10), included=True)),
        (INCLUSIVE, "JP", True, Tax(rate=None, included=True)),
    ],
)
def test_the_tax_of_a_customer(
    treatment: TaxTreatment | None, country: str | None, exempt: bool | None, expected: Tax
) -> None:
    assert tax_for(treatment, RATES, country, exempt) == expected


def test_a_country_that_is_not_listed_has_an_unknown_rate() -> None:
    assert tax_for(EXCLUSIVE, tax_rates("JP=10"), "US", exempt=False) == UNKNOWN
    assert tax_for(EXCLUSIVE, tax_rates(""), "JP", exempt=False) == UNKNOWN
    assert public_tax(EXCLUSIVE, tax_rates("SG=9, JP=10")).rate == 9
    assert public_tax(EXCLUSIVE, {}) == UNKNOWN


@pytest.mark.parametrize(
    ("tax", "amount", "currency", "expected"),
    [
        (TEN, "1500", "JPY", "1650"),
        (TEN, "1234", "JPY", "1357"),
        (TEN, "1235", "JPY", "1359"),
        (TEN, "12.34", "USD", "13.57"),
        (TEN, "10.505", "KWD", "11.556"),
        (Tax(rate=Decimal("7.25")), "100.00", "USD", "107.25"),
        (Tax(rate=Decimal(0)), "1500", "JPY", "1500"),
        (Tax(rate=Decimal(10), included=True), "1500", "JPY", "1500"),
        (Tax(rate=None, included=True), "1500", "JPY", "1500"),
    ],
)
def test_an_amount_with_tax(tax: Tax, amount: str, currency: str, expected: str) -> None:
    assert tax.with_tax(Decimal(amount), currency) == Money(expected, currency)


def test_an_unknown_rate_shows_nothing() -> None:
    assert (UNKNOWN.with_tax(Decimal(1), "JPY"), UNKNOWN.shown_rate, UNKNOWN.word) == (None, None, "excluded")
    assert (Tax(rate=Decimal("10.000")).shown_rate, Tax(rate=Decimal("7.250")).shown_rate) == ("10", "7.25")
    assert Tax(rate=Decimal(10), included=True).word == "included"


@pytest.mark.parametrize("setting", ["JP", "JP=", "JP=ten", "JAPAN=10", "JP=-1", "JP=101", "J1=10", "=10", "日本=10"])
def test_a_rate_that_is_none_does_not_start(setting: str) -> None:
    with pytest.raises(SettingsError, match="TAX_RATES"):
        tax_rates(setting)
