"""Payment methods on file: type, brand, last four digits, expiry, default. Nothing else is ever stored."""

from typing import Annotated, Literal

from msgspec import Struct

from app.intake.words import one_of
from app.readmodels.table import Table
from app.words.sentence import Phrase
from app.words.worded import Worded

TABLE = Table(
    "payment_methods",
    "payment_method_id",
    {
        "account_id": "uuid",
        "payment_method_id": "text",
        "kind": "text",
        "brand": "text",
        "last_four": "text",
        "expires": "text",
        "description": "text",
        "is_default": "bool",
        "sort_id": "bigint",
        "version": "bigint",
        "as_of": "timestamptz",
        "document": "bytea",
    },
)


KindWord = Annotated[str, one_of(["card", "bank_account", "other"])]
"""The kind of a method; `other` where WHMCS's word is none of its own."""


class PaymentMethod(Struct, frozen=True, kw_only=True):
    """A stored payment method.

    Attributes:
        expires: YYYY-MM, the last month in which it can be used.
        description: made of brand and last four digits.
        is_default: whether it is the one that is charged; null while the billing system does not tell.
    """

    payment_method_id: str
    kind: KindWord
    """The kind of method; `other` where the billing system's word is none of these."""
    brand: str | None
    """The card's brand; null for other kinds."""
    last_four: str | None
    """The last four digits; null where they are not known."""
    expires: str | None
    description: str
    is_default: bool | None = None


HintCode = Literal["add_backup", "expiring", "expired"]


class PaymentMethodHint(Worded, frozen=True, kw_only=True):
    """Something that the customer should do about the payment methods, in a sentence."""

    code: HintCode
    payment_method_id: str | None
    text: str
    text_phrases: tuple[Phrase, ...] = ()
