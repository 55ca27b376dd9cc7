"""Money is exact, and is shown with the decimals that its currency has."""

from decimal import Decimal
from typing import Any

import hypothesis
import pytest
from hypothesis import strategies as st

from app.money import decimal, in_words, money, rounded


@pytest.mark.parametrize(
    ("value", "currency", "shown"),
    [
        (3278, "JPY", "3278"),
        ("3278.00", "JPY", "3278"),
        (3278.0, "jpy", "3278"),
        ("0.5", "JPY", "1"),
        ("1.505", "KWD", "1.505"),
        (1.505, "KWD", "1.505"),
        ("1.5", "USD", "1.50"),
        ("1.005", "USD", "1.01"),
        ("2", "???", "2.00"),
        ("2", "", "2.00"),
        ("12345.6789", "CLF", "12345.6789"),
        ("1,000.00", "JPY", "1000"),
        ("-0.001", "USD", "0.00"),
        (Decimal("1E+3"), "JPY", "1000"),
        ("123456789012345", "JPY", "123456789012345"),
        ("1e14", "USD", "100000000000000.00"),
        (None, "JPY", "0"),
        ("", "KWD", "0.000"),
        ("free", "USD", "0.00"),
        (Decimal("NaN"), "USD", "0.00"),
    ],
)
def test_an_amount_has_the_decimals_of_its_currency(value: Any, currency: str, shown: str) -> None:
    assert money(value, currency).amount == shown


@pytest.mark.parametrize(("value", "currency", "said"), [("3278.4", "JPY", "3,278 JPY"), ("1.5", "KWD", "1.500 KWD")])
def test_an_amount_in_a_sentence(value: str, currency: str, said: str) -> None:
    assert in_words(value, currency) == said


@hypothesis.given(parts=st.lists(st.decimals(-(10**9), 10**9, places=3), max_size=20))
def test_a_sum_of_amounts_loses_nothing(parts: list[Decimal]) -> None:
    assert sum((decimal(str(each)) for each in parts), Decimal()) == sum(parts, Decimal())
    assert sum((rounded(each, "KWD") for each in parts), Decimal()) == sum(parts, Decimal())
