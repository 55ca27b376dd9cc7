"""Periods and quantities are what a line's text says, in each of WHMCS's date formats, or nothing at all."""

from datetime import date, timedelta
from decimal import Decimal

import hypothesis
import pytest
from hypothesis import strategies as st

from app.projections.parts.line_texts import LONGEST_DAYS, Period, Quantity, period, quantity

NOVEMBER = Period(date(2024, 11, 1), date(2024, 11, 30))
FORMATS = {
    "DD/MM/YYYY": "%d/%m/%Y",
    "DD.MM.YYYY": "%d.%m.%Y",
    "DD-MM-YYYY": "%d-%m-%Y",
    "MM/DD/YYYY": "%m/%d/%Y",
    "YYYY/MM/DD": "%Y/%m/%d",
    "YYYY-MM-DD": "%Y-%m-%d",
}
DAYS = st.dates(date(2000, 1, 1), date(2060, 12, 31))


@pytest.mark.parametrize(
    "text",
    [
        *(f"SIM 5 GB ({NOVEMBER.start:{each}} - {NOVEMBER.end:{each}})" for each in FORMATS.values()),
        "SIM 5 GB - 070-1234-5678 (01/11/2024 - 30/11/2024)\nBackup: Yes",
        "(01/11/2024-30/11/2024)",
        "SIM (01/11/2024 \u2013 30/11/2024)",
        "SIM (1/11/2024 - 30/11/2024)",
        "SIM (1st November 2024 - 30th November 2024)",
        "SIM (1 Nov 2024 - 30 Nov 2024)",
        "SIM (November 1st, 2024 - November 30th, 2024)",
        "SIM (Friday, November 1st, 2024 - Saturday, November 30th, 2024)",
        "SIM (01/11/2024 - 30/11/2024), again (01/11/2024 - 30/11/2024)",
    ],
)
def test_a_month_is_read_however_it_is_written(text: str) -> None:
    assert period(text) == NOVEMBER


@pytest.mark.parametrize(
    "text",
    [
        "",
        "SIM 5 GB",
        "SIM 01/11/2024 - 30/11/2024",
        "SIM (01/11/2024)",
        "SIM (01/11/24 - 30/11/24)",
        "SIM (30/11/2024 - 01/11/2024)",
        "SIM (31/11/2024 - 30/12/2024)",
        "SIM (01/11/2024 - 30/11/2024) and (01/12/2024 - 31/12/2024)",
        "SIM (01/11-2024 - 30/11-2024)",
        "SIM (2024-11-01 - 2054-11-30)",
        "SIM (0000-00-00 - 2024-11-30)",
        "SIM (٠١/١١/٢٠٢٤ - ٣٠/١١/٢٠٢٤)",
        "SIM (1st Novembre 2024 - 30th Novembre 2024)",
        "SIM (1 Mai 2024 - 2 Mai 2024)",
        "SIM (5/10/2024 - 5/11/2024)",
    ],
)
def test_what_is_no_period_or_can_be_read_in_two_ways_is_none(text: str) -> None:
    assert period(text) is None


@pytest.mark.parametrize(
    ("date_format", "expected"),
    [
        ("", None),
        ("DD/MM/YYYY", Period(date(2024, 3, 5), date(2025, 3, 4))),
        ("MM/DD/YYYY", Period(date(2024, 5, 3), date(2025, 4, 3))),
        ("YYYY-MM-DD", None),
    ],
)
def test_the_installations_format_decides_between_two_readings(date_format: str, expected: Period | None) -> None:
    assert period("Hosting (05/03/2024 - 04/03/2025)", date_format) == expected


def test_a_text_from_before_the_format_was_changed_is_read_where_it_has_one_meaning() -> None:
    assert period("SIM (01/11/2024 - 30/11/2024)", "MM/DD/YYYY") == NOVEMBER


@hypothesis.given(start=DAYS, days=st.integers(0, LONGEST_DAYS), name=st.sampled_from(sorted(FORMATS)))
def test_with_the_right_format_every_period_is_read_and_without_it_none_is_wrong(
    start: date, days: int, name: str
) -> None:
    written = Period(start, start + timedelta(days=days))
    text = f"A ({written.start:{FORMATS[name]}} - {written.end:{FORMATS[name]}})"
    assert period(text, name) == written
    assert period(text) in (written, None)


@hypothesis.given(st.text(alphabet="()-/. 0123456789adeMmJjun", max_size=60))
def test_no_text_is_too_strange(text: str) -> None:
    period(text)
    quantity(text, Decimal(100), "JPY")


@pytest.mark.parametrize(
    ("text", "amount", "currency", "expected"),
    [
        ("2 x Backup", "1000", "JPY", Quantity(Decimal(2), Decimal(500))),
        ("1 x Backup", "1000", "JPY", Quantity(Decimal(1), Decimal(1000))),
        ("3 x Backup", "1000", "JPY", Quantity(Decimal(3), None)),
        ("3 x Backup", "10.00", "USD", Quantity(Decimal(3), None)),
        ("4 x Backup", "10.00", "USD", Quantity(Decimal(4), Decimal("2.50"))),
        ("2 x Backup", None, "USD", Quantity(Decimal(2), None)),
        ("2 x Discount", "-10.00", "USD", Quantity(Decimal(2), Decimal("-5.00"))),
        ("Work - 3 Hours @ 50.00/Hour", "150.00", "USD", Quantity(Decimal(3), Decimal("50.00"))),
        ("Work - 1.5 時間 @ ¥1,000 JPY/時間", "1500", "JPY", Quantity(Decimal("1.5"), Decimal(1000))),
        ("Cable - 3 @ $2.50 USD", "7.50", "USD", Quantity(Decimal(3), Decimal("2.50"))),
        ("Cable - 3 @ 2.40", "7.50", "USD", None),
        ("Cable - 3 @ two", "7.50", "USD", None),
        ("Cable - 3 @ 2.50", None, "USD", None),
        ("2 x Cable - 3 @ 2.50", "7.50", "USD", None),
        ("Cable - 3 @ 2.50 - 3 @ 2.50", "7.50", "USD", None),
        ("0 x Backup", "0", "JPY", None),
        ("2x Backup", "1000", "JPY", None),
        ("A 2 x Backup", "1000", "JPY", None),
        ("SIM 5 GB (01/11/2024 - 30/11/2024)", "1000", "JPY", None),
    ],
)
def test_a_quantity_is_read_where_the_text_and_the_amount_agree(
    text: str, amount: str | None, currency: str, expected: Quantity | None
) -> None:
    assert quantity(text, Decimal(amount) if amount else None, currency) == expected
