"""Values in sentences, as each language writes them: dates, months, amounts, numbers, lists and plurals.

A placeholder is `{name}` or `{name:format}`. Formats: `date`, `month` (2026-12), `money`, `number`, `list`,
`plural one|other`, `term area`, which says the value by the code `area.value`, and `phrase`, for a sentence in a
sentence.
"""

from collections.abc import Callable, Mapping
from datetime import date
from decimal import Decimal, InvalidOperation
from typing import Any

from app.words.languages import Language

_MONTHS = (
    *("January", "February", "March", "April", "May", "June", "July"),
    *("August", "September", "October", "November", "December"),
)
Format = Callable[[Any, Language], str]


def of_date(value: Any, language: Language) -> str:
    """Write a day: `December 1, 2026`, `2026年12月1日`."""
    day = date.fromisoformat(str(value))
    if language == "ja":
        return f"{day.year}年{day.month}月{day.day}日"
    return f"{_MONTHS[day.month - 1]} {day.day}, {day.year}"


def of_month(value: Any, language: Language) -> str:
    """Write a month: `December 2026`, `2026年12月`."""
    first = date.fromisoformat(f"{value}-01")
    return f"{first.year}年{first.month}月" if language == "ja" else f"{_MONTHS[first.month - 1]} {first.year}"


def of_money(value: Any, language: Language) -> str:
    """Write an amount: `¥3,278`, `3,278円`; of another currency than the yen with its code."""
    amount, currency = Decimal(value["amount"]), str(value["currency"])
    if currency != "JPY":
        return f"{amount:,f} {currency}"
    sign = "-" if amount < 0 else ""
    return f"{amount:,f}円" if language == "ja" else f"{sign}¥{abs(amount):,f}"


def of_number(value: Any, language: Language) -> str:
    """Write a number with separators of thousands."""
    return f"{value:,}"


def of_list(value: Any, language: Language) -> str:
    """Write a list."""
    return ("、" if language == "ja" else ", ").join(map(str, value))


FORMATS: Mapping[str, Format] = {
    "": lambda value, _: str(value),
    "date": of_date,
    "month": of_month,
    "money": of_money,
    "number": of_number,
    "list": of_list,
}


def plural(forms: str) -> Format:
    """Return the format that chooses between `one|other`."""
    one, _, other = forms.partition("|")
    return lambda value, _: one if value == 1 else other


def written(form: Format, value: Any, language: Language) -> str:
    """Write a value; as it is where it does not have the shape of its format, which upstreams decide in the end."""
    try:
        return form(value, language)
    except (ValueError, TypeError, KeyError, InvalidOperation):
        return str(value)
