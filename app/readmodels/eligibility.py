"""Eligibility: whether an account may order Internet at its address, as staff found out with the carrier."""

from msgspec import Struct

from app.readmodels.table import Table

DOCUMENT = "eligibility"

TEXTS = {
    "not_requested": "Availability at your address has not been checked yet.",
    "checking": "We are checking availability at your address.",
    "eligible": "Internet is available at your address.",
    "not_available": "Internet is not available at your address.",
}

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
