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
    """A payment gateway and its display name."""

    gateway: str
    name: str


class Gateways(Struct, frozen=True):
    """All payment gateways of the installation."""

    items: list[Gateway]
