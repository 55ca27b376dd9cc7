"""Every spelling of an amount, a day or an instant that an install is known to use; the rest is None."""

from datetime import UTC, date, datetime
from decimal import Decimal
from fractions import Fraction
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.intake import parse

TOKYO = ZoneInfo("Asia/Tokyo")


@pytest.mark.parametrize(
    ("value", "amount"),
    [
        ("1000.00", "1000.00"),
        ("1,000.00", "1000.00"),
        ("1,234,567", "1234567"),
        ("1.000,00", "1000.00"),
        ("12,5", "12.5"),
        ("¥1,000", "1000"),
        ("1,000 JPY", "1000"),
        ("-5.00", "-5.00"),
        ("\u22125.00", "-5.00"),
        (29, "29"),
        (29.99, "29.99"),
        (" 7 ", "7"),
        (".5", "0.5"),
        ("1e3", "1e3"),
        ("1 000.00", "1000"),
        ("1\u00a0000", "1000"),
        ("1\u202f000", "1000"),
        ("999999999999999", "999999999999999"),
        ("JPY" + " " * 36 + "7", "7"),
    ],
)
def test_amounts(value: object, amount: str) -> None:
    assert parse.money(value) == Decimal(amount)


@pytest.mark.parametrize(
    "value",
    [
        "",
        None,
        "free",
        "1,00,0.00.0",
        "NaN",
        "Infinity",
        "1e999",
        "1e15",
        True,
        [],
        {},
        "9" * 41,
        "JPY" + " " * 37 + "7",
    ],
)
def test_what_is_no_amount(value: object) -> None:
    assert parse.money(value) is None


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("2026-11-30", date(2026, 11, 30)),
        ("2026-11-30 12:00:00", date(2026, 11, 30)),
        ("2026/11/30", date(2026, 11, 30)),
        ("30/11/2026", date(2026, 11, 30)),
        ("30.11.2026", date(2026, 11, 30)),
        ("11/30/2026", date(2026, 11, 30)),
        ("2026-02-30", None),
        ("0000-00-00", None),
        ("0000-00-00 00:00", None),
        ("-0001-11-30", None),
        ("soon", None),
        ("", None),
        (None, None),
        (20261130, None),
        ("２０２６-11-30", date(2026, 11, 30)),
        (date(2026, 11, 30), date(2026, 11, 30)),
        (datetime(2026, 11, 30, 23, 59), date(2026, 11, 30)),
        ("0001-01-01", None),
        ("0002-01-01", date(2, 1, 1)),
        (True, None),
    ],
)
def test_days(value: object, expected: date | None) -> None:
    assert parse.day(value) == expected


@pytest.mark.parametrize(
    ("value", "zone", "expected"),
    [
        ("2026-01-31T10:15:30.000+0000", None, datetime(2026, 1, 31, 10, 15, 30, tzinfo=UTC)),
        ("2026-01-31T10:15:30Z", None, datetime(2026, 1, 31, 10, 15, 30, tzinfo=UTC)),
        ("2026-01-31 10:15:30", TOKYO, datetime(2026, 1, 31, 1, 15, 30, tzinfo=UTC)),
        ("2026-01-31 10:15", TOKYO, datetime(2026, 1, 31, 1, 15, tzinfo=UTC)),
        ("2026-01-31", TOKYO, datetime(2026, 1, 30, 15, tzinfo=UTC)),
        ("31/01/2026 10:15", TOKYO, datetime(2026, 1, 31, 1, 15, tzinfo=UTC)),
        ("2026-01-31T10:15:30.5z", TOKYO, datetime(2026, 1, 31, 10, 15, 30, 500_000, tzinfo=UTC)),
        ("2026-01-31T10:15:30,1234567-0130", None, datetime(2026, 1, 31, 11, 45, 30, 123_456, tzinfo=UTC)),
        (datetime(2026, 1, 31, 10, 15), TOKYO, datetime(2026, 1, 31, 1, 15, tzinfo=UTC)),
        (datetime(2026, 1, 31, 10, 15, tzinfo=TOKYO), None, datetime(2026, 1, 31, 1, 15, tzinfo=UTC)),
        ("2026-01-31x", TOKYO, None),
        ("2026-01-31 25:00:00", TOKYO, None),
        ("0000-00-00 00:00:00", TOKYO, None),
        ("2026-01-31 at noon", TOKYO, None),
    ],
)
def test_instants(value: object, zone: ZoneInfo | None, expected: datetime | None) -> None:
    assert parse.instant(value, zone) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [("7", 7), (7.0, 7), ("7.0", 7), ("1.5", None), ("x", None), (True, None), (Fraction(7), None)],
)
def test_whole_numbers(value: object, expected: int | None) -> None:
    assert parse.whole_number(value) == expected


@given(st.one_of(st.text(max_size=40), st.integers(), st.floats(), st.none(), st.booleans(), st.lists(st.integers())))
def test_no_parser_ever_raises(value: object) -> None:
    for reads in (parse.money, parse.day, parse.instant, parse.whole_number):
        reads(value)
