"""Money as documents show it: a decimal string with the currency's own number of decimals, and the currency.

Amounts stay decimals from the upstream to the customer. They are rounded to the currency's decimals only where they are
shown or stored as a sum.
"""

from collections.abc import Mapping
from decimal import ROUND_HALF_UP, Context, Decimal

from msgspec import Struct

from app.intake import parse

_NONE = "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF"
_THREE = "BHD IQD JOD KWD LYD OMR TND"
_FOUR = "CLF UYW"
EXPONENTS: Mapping[str, int] = {
    **dict.fromkeys(_NONE.split(), 0),
    **dict.fromkeys(_THREE.split(), 3),
    **dict.fromkeys(_FOUR.split(), 4),
}
"""ISO 4217: currencies whose smallest unit is not a hundredth."""
USUAL_EXPONENT = 2
_EXACT = Context(prec=160, rounding=ROUND_HALF_UP)
"""More digits than any readable amount has."""


class Money(Struct, frozen=True):
    """An amount in a currency."""

    amount: str
    """A decimal number as text, exact, in whole units of the smallest coin."""
    currency: str


def exponent(currency: str) -> int:
    """Return a currency's number of decimals; two if ISO 4217 does not list it."""
    return EXPONENTS.get(currency.strip().upper(), USUAL_EXPONENT)


def decimal(value: object) -> Decimal:
    """Parse an upstream's number or money string exactly; an absent or unreadable value is zero."""
    found = value if isinstance(value, Decimal) else parse.money(value)
    return found if found is not None and found.is_finite() else Decimal()


def rounded(value: object, currency: str) -> Decimal:
    """Round an amount to whole units of the currency's smallest coin."""
    found = decimal(value).quantize(Decimal(1).scaleb(-exponent(currency)), context=_EXACT)
    return found or abs(found)  # no negative zero


def money(value: object, currency: str) -> Money:
    """Convert an upstream's number or money string to money of its currency."""
    return Money(f"{rounded(value, currency):f}", currency)


def in_words(value: object, currency: str) -> str:
    """Format an amount for a sentence, e.g. `3,278 JPY`."""
    return f"{rounded(value, currency):,f} {currency}"
