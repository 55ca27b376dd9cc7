"""Profile and billing address: the WHMCS client, which is authoritative for both."""

from collections.abc import Mapping
from typing import Any

from msgspec import Struct

from app.intake.text import scalar
from app.postal import Address
from app.readmodels.table import Table
from app.words.languages import Language, of_whmcs

DOCUMENT = "profile"
CLOSED_CLIENTS = frozenset({"closed", "inactive"})
"""Statuses of a WHMCS client, folded, for which nothing can be ordered or activated."""

TABLE = Table(
    "profiles",
    None,
    {
        "account_id": "uuid",
        "whmcs_client_id": "text",
        "email": "text",
        "first_name": "text",
        "last_name": "text",
        "country": "text",
        "currency": "text",
        "status": "text",
        "billing_contact_id": "text",
        "tax_exempt": "bool",
        "language": "text",
        "version": "bigint",
        "as_of": "timestamptz",
        "document": "bytea",
    },
)


class Profile(Struct, frozen=True, kw_only=True):
    """The customer's profile, as WHMCS keeps it.

    `language` is that of mails, and of answers where a request names none. It is null where WHMCS names none or another
    one, which counts as English.
    """

    email: str
    first_name: str
    last_name: str
    company: str
    phone: str
    currency: str
    address: Address
    """The billing address."""
    language: Language | None = None
    """The language in which the customer is written to; null where billing names none that we speak."""


def profile_of(client: Mapping[str, Any]) -> Profile:
    """Build the profile from a WHMCS client record."""
    return Profile(
        email=scalar(client.get("email")),
        first_name=scalar(client.get("firstname")),
        last_name=scalar(client.get("lastname")),
        company=scalar(client.get("companyname")),
        phone=scalar(client.get("phonenumber")),
        currency=scalar(client.get("currency_code")),
        language=of_whmcs(client.get("language")),
        address=Address(**{name: scalar(client.get(name)) for name in Address.__struct_fields__}),
    )
