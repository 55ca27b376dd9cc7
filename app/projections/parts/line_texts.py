"""What the text of an invoice line says: the billed period, and a quantity with its price.

WHMCS has no fields for them: it writes `SIM 5 GB (01/11/2024 - 30/11/2024)`, `2 x Backup` or `Setup - 3 Hours @ 50.00`.
A text that can be read in two ways says nothing.
"""

import re
from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from itertools import product

from msgspec import Struct

from app.intake import parse
from app.money import exponent, rounded

LONGEST_DAYS = 3_660
"""Ten years, the longest that WHMCS sells: a domain."""
ORDERS = {"D": "dmy", "M": "mdy", "Y": "ymd"}
"""First letter of a date format of WHMCS → the order of day, month and year."""

_MONTHS = (
    *("january", "february", "march", "april", "may", "june", "july"),
    *("august", "september", "october", "november", "december"),
)
_NUMBERS = r"[0-9]{1,4}[-/.][0-9]{1,2}[-/.][0-9]{1,4}"
_DAY = r"[0-9]{1,2}(?:st|nd|rd|th)?"
_WORDS = rf"(?:[A-Z][a-z]{{5,8}}, )?(?:{_DAY} [A-Z][a-z]{{2,8}},?|[A-Z][a-z]{{2,8}} {_DAY},?) [0-9]{{4}}"
_RANGE = re.compile(rf"\(({_NUMBERS}|{_WORDS}) ?[-\u2013] ?({_NUMBERS}|{_WORDS})\)")
_NUMERIC = re.compile(r"([0-9]{1,4})([-/.])([0-9]{1,2})\2([0-9]{1,4})")

_TIMES = re.compile(r"([1-9][0-9]{0,5}) x (?=\S)")
_EACH = re.compile(r" - ([0-9]{1,6}(?:\.[0-9]{1,4})?)(?: [^\s@()]{1,20})? @ ([^\s/@]{1,20}(?: [A-Z]{3}\b)?)")


class Period(Struct, frozen=True):
    """The first and the last billed day."""

    start: date
    end: date


class Quantity(Struct, frozen=True):
    """How many; `unit_price` is None when the amount cannot be divided exactly."""

    quantity: Decimal
    unit_price: Decimal | None


def period(text: str, date_format: str = "") -> Period | None:
    """Read the period; None for none, for several, and for an ambiguous one.

    `date_format`, WHMCS's own setting such as `MM/DD/YYYY`, decides between two possible readings of the same text.
    """
    named = set(_RANGE.findall(text))
    if len(named) != 1:
        return None
    readings = dict(_readings(*named.pop()))
    if len(set(readings.values())) == 1:
        return next(iter(readings.values()))
    return readings.get(ORDERS.get(date_format[:1], ""))


def _readings(first: str, last: str) -> Iterator[tuple[str, Period]]:
    """Yield (order, period) for every order of day, month and year in which both dates exist and do not go back."""
    for order in ORDERS.values():
        start, end = _date(first, order), _date(last, order)
        if start and end and 0 <= (end - start).days <= LONGEST_DAYS:
            yield order, Period(start, end)


def _date(text: str, order: str) -> date | None:
    found = _NUMERIC.fullmatch(text)
    if found is None:
        return _in_words(text)
    parts = dict(zip(order, (found[1], found[3], found[4]), strict=True))
    if len(parts["y"]) != 4 or max(len(parts["d"]), len(parts["m"])) > 2:
        return None
    return _valid(int(parts["y"]), int(parts["m"]), int(parts["d"]))


def _in_words(text: str) -> date | None:
    """Parse `1st November 2024`, `1 Nov 2024` or `Friday, November 1st, 2024`."""
    words = re.findall(r"[A-Za-z]{3,}|[0-9]+", text)
    months = [number for word, (number, name) in product(words, enumerate(_MONTHS, 1)) if _is_month(word, name)]
    numbers = [int(word) for word in words if word.isdigit()]
    if len(months) != 1 or len(numbers) != 2:
        return None
    return _valid(numbers[1], months[0], numbers[0])


def _is_month(word: str, name: str) -> bool:
    return word.lower() in (name, name[:3])


def _valid(year: int, month: int, number: int) -> date | None:
    try:
        return date(year, month, number)
    except ValueError:
        return None


def quantity(text: str, amount: Decimal | None, currency: str) -> Quantity | None:
    """Read how many of something a line bills; None where the text does not say it, or contradicts the amount."""
    times, each = _TIMES.match(text), _EACH.findall(text)
    if times and not each:
        count = Decimal(times[1])
        return Quantity(count, _divided(amount, count, currency))
    if times or len(each) != 1:
        return None
    count, price = Decimal(each[0][0]), parse.money(each[0][1])
    if price is None or amount is None or rounded(count * price, currency) != amount:
        return None
    return Quantity(count, price)


def _divided(amount: Decimal | None, count: Decimal, currency: str) -> Decimal | None:
    """Divide an amount if each part is in whole units of the currency's smallest coin."""
    if amount is None:
        return None
    coins, left = divmod(amount.scaleb(exponent(currency)), count)
    return None if left else coins.scaleb(-exponent(currency))
