"""Payment methods on file: type, brand, last four digits, expiry. Nothing else is ever stored."""

from msgspec import Struct

from app.readmodels.table import Table

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
        "sort_id": "bigint",
        "version": "bigint",
        "as_of": "timestamptz",
        "document": "bytea",
    },
)


class PaymentMethod(Struct, frozen=True, kw_only=True):
    """A stored payment method; `expires` is YYYY-MM."""

    payment_method_id: str
    kind: str
    brand: str | None
    last_four: str | None
    expires: str | None
    description: str
