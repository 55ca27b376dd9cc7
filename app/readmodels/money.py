"""Money as every document shows it: a decimal string and a currency, never a float.

Two decimals at least, as the HTTP contract shows it (`"3278.00"` yen), three where the currency has three.
"""

from decimal import ROUND_HALF_UP, Decimal

from msgspec import Struct

from app.intake import parse

THREE_DECIMALS = frozenset({"BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"})
NO_DECIMALS = frozenset({"CLP", "ISK", "JPY", "KRW", "VND", "XAF", "XOF", "XPF"})


CENT, MIL = Decimal("0.01"), Decimal("0.001")


class Money(Struct, frozen=True):
    """An amount in a currency."""

    amount: str
    currency: str


def exact(value: object) -> Decimal:
    """An upstream's number or money string as it was written; absent and unreadable count as nothing."""
    return parse.money(value) or Decimal()


def decimal(value: object) -> Decimal:
    """The same with cents."""
    return exact(value).quantize(CENT, ROUND_HALF_UP)


def money(value: object, currency: str) -> Money:
    """An upstream's number or money string in its currency."""
    step = MIL if currency in THREE_DECIMALS else CENT
    return Money(str(exact(value).quantize(step, ROUND_HALF_UP)), currency)


def in_words(value: object, currency: str) -> str:
    """An amount within a sentence, e.g. `3,278 JPY`."""
    decimals = 0 if currency in NO_DECIMALS else 3 if currency in THREE_DECIMALS else 2
    return f"{exact(value):,.{decimals}f} {currency}"
