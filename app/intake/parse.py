"""Tolerant parsers for money, dates and numbers from outside. An unreadable value is None, never an error.

Each parser accepts every spelling that an upstream, its localisation or a manual import is known to use. A record's
fields are read through `app.intake.fields.Fields`, which counts the values that could not be parsed.
"""

import re
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from zoneinfo import ZoneInfo

_ISO_DAY = re.compile(r"(\d{4})[-/.](\d{1,2})[-/.](\d{1,2})(?!\d)")
_EUROPEAN_DAY = re.compile(r"(\d{1,2})[-/.](\d{1,2})[-/.](\d{4})(?!\d)")
_CLOCK = re.compile(r"[T ](\d{1,2}):(\d{2})(?::(\d{2})(?:[.,](\d{1,9}))?)?\s*(Z|[+-]\d{2}:?\d{2})?$", re.I)
_AMOUNT = re.compile(r"[+-]?(?:\d{1,15}(?:\.\d{0,10})?|\.\d{1,10})(?:[eE][+-]?\d{1,2})?")
_GROUPED = re.compile(r"[+-]?\d{1,3}(?:,\d{3})+(?:\.\d{0,10})?")
_GROUPED_EUROPEAN = re.compile(r"[+-]?\d{1,3}(?:\.\d{3})+,\d{1,10}|[+-]?\d{1,12},\d{1,2}")
_AROUND_AMOUNT = re.compile(r"^(?:[A-Z]{3}|[¥$€£₹￥円])?\s*(.*?)\s*(?:[A-Z]{3}|[¥$€£₹￥円])?$")
_WHOLE = re.compile(r"[+-]?\d{1,18}(?:\.0{1,10})?")
MOST_DIGITS = 40
MOST_MONEY = Decimal(10) ** 15
"""No price has sixteen digits before the point, and arithmetic with 28 digits must stay exact."""


def money(value: object) -> Decimal | None:
    """Parse an amount: `1000`, `"1,000.00"`, `"1.000,00"`, `"¥1,000"`, `"-5.00 JPY"`, 1e3. Never NaN nor infinite."""
    plain = _plain(value)
    if plain is None or len(plain) > MOST_DIGITS:
        return None
    plain = _AROUND_AMOUNT.sub(r"\1", plain).replace("\u00a0", "").replace("\u202f", "").replace(" ", "")
    plain = plain.replace("\u2212", "-")
    if _GROUPED.fullmatch(plain):
        plain = plain.replace(",", "")
    elif _GROUPED_EUROPEAN.fullmatch(plain):
        plain = plain.replace(".", "").replace(",", ".")
    if not _AMOUNT.fullmatch(plain):
        return None
    try:
        amount = Decimal(plain)
    except InvalidOperation:
        return None
    return amount if abs(amount) < MOST_MONEY else None


def whole_number(value: object) -> int | None:
    """Parse an integer or a numeric id: `7`, `"7"`, `"7.0"`, 7.0. A fraction is None."""
    plain = _plain(value)
    if plain is None or not plain.isascii() or not _WHOLE.fullmatch(plain):
        return None
    return int(plain.partition(".")[0])


def day(value: object) -> date | None:
    """Parse the day of a date or datetime: ISO with any separator, or day first as `30/11/2026`; zero dates are None.

    `05/06/2026` is ambiguous; it is read day first, WHMCS's default for dates with slashes. A date that only fits the
    other way round (`11/30/2026`) is read that way.
    """
    if isinstance(value, datetime):
        return value.date()
    if isinstance(value, date):
        return value
    plain = _plain(value)
    if plain is None:
        return None
    if found := _ISO_DAY.match(plain):
        return _date(int(found[1]), int(found[2]), int(found[3]))
    if found := _EUROPEAN_DAY.match(plain):
        first, second, year = int(found[1]), int(found[2]), int(found[3])
        return _date(year, second, first) or _date(year, first, second)
    return None


def instant(value: object, zone: ZoneInfo | None = None) -> datetime | None:
    """Parse a datetime to an aware instant in UTC.

    One without an offset is read in `zone` (default UTC), and a bare date as the first instant of that day.
    """
    if isinstance(value, datetime):
        return _in_utc(value, zone)
    at = day(value)
    plain = _plain(value)
    if at is None or plain is None:
        return None
    clock = _CLOCK.search(plain)
    if clock is None:
        return _in_utc(datetime(at.year, at.month, at.day), zone) if len(plain) <= 10 else None
    hour, minute, second = int(clock[1]), int(clock[2]), int(clock[3] or 0)
    micros = int((clock[4] or "0")[:6].ljust(6, "0"))
    offset = (clock[5] or "").upper()
    try:
        local = datetime(at.year, at.month, at.day, hour, minute, second, micros)
        return _in_utc(datetime.fromisoformat(local.isoformat() + offset), zone)
    except ValueError:
        return None


def _in_utc(at: datetime, zone: ZoneInfo | None) -> datetime | None:
    try:
        return (at if at.tzinfo else at.replace(tzinfo=zone or UTC)).astimezone(UTC)
    except (OverflowError, ValueError):  # at the calendar's ends
        return None


def _date(year: int, month: int, number: int) -> date | None:
    try:
        return date(year, month, number) if year > 1 else None
    except ValueError:
        return None


def _plain(value: object) -> str | None:
    if not isinstance(value, str | int | float | Decimal) or isinstance(value, bool):
        return None
    try:
        return str(value).strip() or None
    except ValueError:  # an integer of thousands of digits
        return None
