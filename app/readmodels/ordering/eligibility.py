"""Eligibility of one address of an account for Internet service, as staff determined it with the carrier."""

from typing import Annotated

from msgspec import Struct

from app.intake.words import folded, one_of
from app.readmodels.table import Table
from app.words.sentence import Phrase, say
from app.words.worded import Worded

DOCUMENT = "eligibility"

TEXTS = {
    "not_requested": say("account.eligibility_not_checked"),
    "checking": say("account.eligibility_checking"),
    "eligible": say("account.eligibility_eligible"),
    "not_available": say("account.eligibility_not_available"),
}

StatusWord = Annotated[str, one_of(TEXTS)]
"""The customer's status; a word of staff's that is not known counts as `checking`."""
STATUSES = {
    "not requested": "not_requested",
    "pending": "checking",
    "checking": "checking",
    "checked": "eligible",
    "eligible": "eligible",
    "not available": "not_available",
}
"""Salesforce's status, folded → the customer's."""


def status_from(word: object, offering: object) -> str:
    """Derive the customer's status from Salesforce's two fields.

    An account is eligible only with a favourable status and an offering. An unknown status, and an offering without a
    status, count as still being checked.
    """
    said, offered = folded(word), bool(folded(offering))
    if not said:
        return "checking" if offered else "not_requested"
    status = STATUSES.get(said, "checking")
    return "checking" if status == "eligible" and not offered else status


TABLE = Table(
    "eligibility",
    None,
    {
        "account_id": "uuid",
        "internet_status": "text",
        "internet_offering": "text",
        "version": "bigint",
        "as_of": "timestamptz",
        "document": "bytea",
    },
)


class Internet(Worded, frozen=True):
    """Internet eligibility. `offering` is the line available at the address, e.g. `Home 1G`. `address` is the one that
    the check is about, in one line; null while nobody has recorded it, and then it is the billing address on file."""

    status: StatusWord
    """The state of the check."""
    text: str
    offering: str | None
    """The line available at the address, e.g. `Home 1G`; null where none is, or it is not known."""
    address: str | None = None
    """The address that the check is about, in one line; null where none is known."""
    text_phrases: tuple[Phrase, ...] = ()


class Eligibility(Struct, frozen=True):
    """Current state per category."""

    internet: Internet
    """The state of internet at the address."""
