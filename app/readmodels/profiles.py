"""Profile and billing address: the WHMCS client, which is authoritative for both."""

from msgspec import Struct

from app.readmodels.table import Table

DOCUMENT = "profile"

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
        "version": "bigint",
        "as_of": "timestamptz",
        "document": "bytea",
    },
)


class Address(Struct, frozen=True, kw_only=True):
    """A postal address."""

    address1: str
    address2: str
    city: str
    state: str
    postcode: str
    country: str


class Profile(Struct, frozen=True, kw_only=True):
    """Who the customer is, as WHMCS knows it."""

    email: str
    first_name: str
    last_name: str
    company: str
    phone: str
    currency: str
    address: Address
