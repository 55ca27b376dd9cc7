"""Eligibility: whether an account may order Internet at its address, as staff found out with the carrier."""

from msgspec import Struct

from app.intake.words import folded
from app.readmodels.table import Table

DOCUMENT = "eligibility"

TEXTS = {
    "not_requested": "Availability at your address has not been checked yet.",
    "checking": "We are checking availability at your address.",
    "eligible": "Internet is available at your address.",
    "not_available": "Internet is not available at your address.",
}

STATUSES = {
    "not requested": "not_requested",
    "pending": "checking",
    "checking": "checking",
    "checked": "eligible",
    "eligible": "eligible",
    "not available": "not_available",
}
"""What staff set in Salesforce, folded → what the customer is told."""


def stated(word: object, offering: object) -> str:
    """The status that these two fields come to. Eligible is who has a favourable word and an offering; any word that
    nobody knows, and an offering without a word, is being checked still."""
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


class Internet(Struct, frozen=True):
    """`offering` is what the address can have, e.g. `Home 1G`."""

    status: str
    text: str
    offering: str | None


class Eligibility(Struct, frozen=True):
    """Current state per category."""

    internet: Internet
