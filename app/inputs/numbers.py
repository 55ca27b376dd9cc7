"""Texts made of digits: a Japanese keyboard types them in full width, and hyphens in many shapes.

Width and hyphens are normalised first; then the whole text must match in ASCII. Digits of other scripts are refused
here, because no upstream accepts them.
"""

import re
import unicodedata
from typing import Annotated

from app.inputs.rule import Rule, Unfit
from app.inputs.text import is_harmful
from app.words.sentence import say

_PROLONGED = "\u30fc"
_LIKE_HYPHENS = frozenset(f"\u02d7\u2043\u2212\u223c\u2796\u2500\u2501{_PROLONGED}")
"""Typed as hyphens, though Unicode does not class them as dashes: minus signs, box drawings, the katakana length mark.
"""
_BETWEEN = re.compile(r"[ -]+")
_PHONE = re.compile(r"\+?[0-9() -]{6,30}")
_POSTCODE = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9 -]{0,18}[A-Za-z0-9])?")
_COUNTRY = re.compile(r"[A-Z]{2}")
_CUSTOMER_NUMBER = re.compile(r"[!-~](?:[ -~]{0,38}[!-~])?")
_PROMO_CODE = re.compile(r"[\w.-]{1,50}")
_AMOUNT = re.compile(r"-?[0-9]{1,12}(?:\.[0-9]{1,4})?")
_CURRENCY = re.compile(r"[A-Z]{3}")
FEWEST_PHONE_DIGITS = 6


def folded(text: str) -> str:
    """Normalise width, hyphens and blanks, and drop invisible characters."""
    if text.isascii() and text.isprintable():
        return text.strip()
    plain = unicodedata.normalize("NFKC", text)
    return "".join(_hyphen(each) for each in plain if each.isspace() or not is_harmful(each)).strip()


def _hyphen(char: str) -> str:
    if char in _LIKE_HYPHENS or unicodedata.category(char) == "Pd":
        return "-"
    return " " if char.isspace() else char


def digits(text: str) -> str:
    """Normalise, and drop blanks and hyphens between groups. The caller checks that digits are left."""
    return _BETWEEN.sub("", folded(text))


def phone(text: str) -> str:
    """Normalise a telephone number.

    Raises:
        Unfit: `phone_invalid`.
    """
    plain = folded(text)
    if not _PHONE.fullmatch(plain) or sum(each.isdecimal() for each in plain) < FEWEST_PHONE_DIGITS:
        raise Unfit("phone_invalid", say("fields.phone"))
    return plain


def postcode(text: str) -> str:
    """Normalise a postal code of any country.

    Raises:
        Unfit: `postcode_invalid`.
    """
    plain = folded(text).removeprefix("\N{POSTAL MARK}").strip()
    if not _POSTCODE.fullmatch(plain):
        raise Unfit("postcode_invalid", say("fields.postcode"))
    return plain


def country(text: str) -> str:
    """Normalise a country code.

    Raises:
        Unfit: `country_unknown`.
    """
    plain = folded(text)
    if not _COUNTRY.fullmatch(plain):
        raise Unfit("country_unknown", say("fields.country"))
    return plain


def customer_number(text: str) -> str:
    """Normalise a customer number as printed on letters.

    Raises:
        Unfit: `invalid_value`.
    """
    plain = folded(text)
    if not _CUSTOMER_NUMBER.fullmatch(plain):
        raise Unfit("invalid_value", say("fields.customer_number"))
    return plain


def eid(text: str) -> str:
    """Normalise the EID of an eSIM.

    Raises:
        Unfit: `invalid_value`.
    """
    plain = digits(text)
    if not is_digits(plain, 32):
        raise Unfit("invalid_value", say("fields.eid"), {"digits": 32})
    return plain


def promo_code(text: str) -> str:
    """Normalise a promotion code: letters, digits, `_`, `.` and `-`.

    Raises:
        Unfit: `invalid_value`.
    """
    plain = folded(text)
    if not _PROMO_CODE.fullmatch(plain):
        raise Unfit("invalid_value", say("fields.promotion_code"))
    return plain


def amount(text: str) -> str:
    """Normalise an amount of money in the form that our answers use.

    Raises:
        Unfit: `invalid_value`.
    """
    plain = folded(text)
    if not _AMOUNT.fullmatch(plain):
        raise Unfit("invalid_value", say("fields.amount"))
    return plain


def currency(text: str) -> str:
    """Normalise a currency code (ISO 4217).

    Raises:
        Unfit: `invalid_value`.
    """
    plain = folded(text)
    if not _CURRENCY.fullmatch(plain):
        raise Unfit("invalid_value", say("fields.currency"))
    return plain


def code(text: str) -> str:
    """Normalise a code from an app or a mail, which people type in groups and in lower case."""
    return digits(text).upper()


def is_digits(text: str, least: int, most: int | None = None) -> bool:
    """Return true if a text consists of that many ASCII digits."""
    return text.isascii() and text.isdigit() and least <= len(text) <= (most or least)


Digits = Annotated[str, Rule(digits, may_be_blank=True)]
Phone = Annotated[str, Rule(phone)]
Postcode = Annotated[str, Rule(postcode)]
Country = Annotated[str, Rule(country)]
"""ISO 3166 alpha-2; the address rules check that the country exists."""
CustomerNumber = Annotated[str, Rule(customer_number)]
Eid = Annotated[str, Rule(eid)]
Amount = Annotated[str, Rule(amount)]
Currency = Annotated[str, Rule(currency)]
PromoCode = Annotated[str, Rule(promo_code)]
Code = Annotated[str, Rule(code, may_be_blank=True)]
