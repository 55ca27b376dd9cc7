"""Money as every document shows it: a decimal string with the currency's own decimals, and the currency.

Amounts are decimals from the upstream's number to the customer's screen. They are rounded only where they are shown or
stored as a sum, to as many decimals as the currency has.
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
"""More digits than any amount that can be read has."""


class Money(Struct, frozen=True):
    """An amount in a currency."""

    amount: str
    currency: str


def exponent(currency: str) -> int:
    """How many decimals a currency has; two, where ISO 4217 does not know it."""
    return EXPONENTS.get(currency.strip().upper(), USUAL_EXPONENT)


def decimal(value: object) -> Decimal:
    """An upstream's number or money string, exactly; what is absent or says nothing counts as nothing."""
    found = value if isinstance(value, Decimal) else parse.money(value)
    return found if found is not None and found.is_finite() else Decimal()


def rounded(value: object, currency: str) -> Decimal:
    """An amount in whole units of the currency's smallest coin."""
    found = decimal(value).quantize(Decimal(1).scaleb(-exponent(currency)), context=_EXACT)
    return found or abs(found)  # a negative nothing is nothing


def money(value: object, currency: str) -> Money:
    """An upstream's number or money string in its currency."""
    return Money(f"{rounded(value, currency):f}", currency)


def in_words(value: object, currency: str) -> str:
    """An amount within a sentence, e.g. `3,278 JPY`."""
    return f"{rounded(value, currency):,f} {currency}"
