"""Orders: Salesforce orders with their items, as the customer follows them."""

from datetime import date, datetime
from typing import Any, Literal

from msgspec import Struct

from app.money import Money
from app.readmodels.table import Table

OrderStatus = Literal[
    "in_review",
    "approved",
    "activating",
    "awaiting_payment_method",
    "awaiting_payment",
    "paused",
    "active",
    "cancelled",
    "rejected",
]
"""The statuses of an order that a customer sees."""
CLOSED = ("active", "cancelled", "rejected")
"""Statuses of an order that is no longer under way; any other is open."""

STATUS_TEXTS = {
    "in_review": "We received your order and are reviewing it.",
    "approved": "Your order is approved. Activation starts shortly.",
    "activating": "We are activating your service.",
    "awaiting_payment_method": "Awaiting payment method. Please add one and we will continue by ourselves.",
    "awaiting_payment": "Awaiting payment. Please pay the invoice and we will continue by ourselves.",
    "paused": "Activation is paused. Our staff are looking into it; you need not do anything.",
    "active": "Your service is active.",
    "cancelled": "This order was cancelled.",
    "rejected": "We could not accept this order. Please contact support.",
}

TABLE = Table(
    "orders",
    "order_id",
    {
        "account_id": "uuid",
        "order_id": "text",
        "order_number": "text",
        "review_status": "text",
        "activation_status": "text",
        "status": "text",
        "placed_at": "timestamptz",
        "effective_date": "date",
        "total_amount": "numeric",
        "currency": "text",
        "item_count": "int",
        "whmcs_order_id": "text",
        "error_code": "text",
        "changed_at": "timestamptz",
        "version": "bigint",
        "as_of": "timestamptz",
        "summary": "bytea",
        "document": "bytea",
    },
)


class OrderItem(Struct, frozen=True, kw_only=True):
    """An order line.

    `subscription_id` appears once fulfilment has created the service. `quantity` is an integer unless staff entered
    another number, and null if it cannot be read.
    """

    order_item_id: str
    sku: str | None
    name: str
    billing_cycle: str | None
    quantity: int | float | None
    unit_price: Money | None
    total: Money | None
    subscription_id: str | None


class OrderReason(Struct, frozen=True):
    """The reason why an order does not move on."""

    code: str
    message: str


class TimelineEntry(Struct, frozen=True):
    """A state that the order reached, and when."""

    state: str
    text: str
    at: datetime


class OrderSummary(Struct, frozen=True, kw_only=True):
    """An order in a list."""

    order_id: str
    order_number: str | None
    status: str
    status_text: str
    placed_at: datetime | None
    total: Money | None
    item_count: int


class Order(Struct, frozen=True, kw_only=True):
    """An order in full. Prices exclude consumption tax; one that cannot be read is null, and so is a sum with it."""

    order_id: str
    order_number: str | None
    status: str
    status_text: str
    review_status: str
    activation_status: str | None
    reason: OrderReason | None
    placed_at: datetime | None
    effective_date: date | None
    total: Money | None
    tax: str = "excluded"
    items: list[OrderItem]
    address: dict[str, Any]
    address_changed: bool
    promo_code: str | None = None
    timeline: list[TimelineEntry]
