"""Payment gateways of the WHMCS installation, the same for everyone."""

from msgspec import Struct

from app.readmodels.table import Table

DOCUMENT = "payment-gateways"

TABLE = Table(
    "gateways",
    "gateway",
    {
        "account_id": "uuid",
        "gateway": "text",
        "name": "text",
        "version": "bigint",
        "as_of": "timestamptz",
    },
)


class Gateway(Struct, frozen=True):
    """A way to pay."""

    gateway: str
    name: str


class Gateways(Struct, frozen=True):
    """All of them."""

    items: list[Gateway]
