"""Subscriptions: WHMCS services."""

from datetime import date

from msgspec import Struct

from app.readmodels.money import Money
from app.readmodels.table import Table

STATUS_TEXTS = {
    "pending": "Waiting to be set up.",
    "active": "Active.",
    "suspended": "Suspended. Please check for unpaid invoices.",
    "terminated": "Ended.",
    "cancelled": "Cancelled.",
    "completed": "Completed.",
    "fraud": "Closed. Please contact support.",
    "unknown": "Please contact support about this service.",
}

TABLE = Table(
    "subscriptions",
    "subscription_id",
    {
        "account_id": "uuid",
        "subscription_id": "text",
        "product_id": "text",
        "product_name": "text",
        "category": "text",
        "domain": "text",
        "status": "text",
        "upstream_status": "text",
        "billing_cycle": "text",
        "amount": "numeric",
        "currency": "text",
        "registered_on": "date",
        "next_due_on": "date",
        "whmcs_order_id": "text",
        "sort_id": "bigint",
        "version": "bigint",
        "as_of": "timestamptz",
        "summary": "bytea",
        "document": "bytea",
    },
)


class Subscription(Struct, frozen=True, kw_only=True):
    """A service the customer has or had."""

    subscription_id: str
    name: str
    category: str
    domain: str | None
    status: str
    status_text: str
    billing_cycle: str
    amount: Money
    registered_on: date | None
    next_due_on: date | None
