"""Invoices: WHMCS invoices with their lines and payments."""

from datetime import date, datetime

from msgspec import Struct

from app.readmodels.money import Money
from app.readmodels.table import Table

STATUSES = {
    "Draft": "draft",
    "Unpaid": "unpaid",
    "Paid": "paid",
    "Cancelled": "cancelled",
    "Refunded": "refunded",
    "Collections": "collections",
    "Payment Pending": "payment_pending",
}

TABLE = Table(
    "invoices",
    "invoice_id",
    {
        "account_id": "uuid",
        "invoice_id": "text",
        "invoice_number": "text",
        "status": "text",
        "upstream_status": "text",
        "issued_on": "date",
        "due_on": "date",
        "paid_at": "timestamptz",
        "subtotal": "numeric",
        "tax": "numeric",
        "credit": "numeric",
        "total": "numeric",
        "balance": "numeric",
        "currency": "text",
        "sort_id": "bigint",
        "version": "bigint",
        "as_of": "timestamptz",
        "summary": "bytea",
        "document": "bytea",
    },
)


class InvoiceItem(Struct, frozen=True, kw_only=True):
    """One line; `subscription_id` when it bills a service."""

    description: str
    amount: Money
    taxed: bool
    subscription_id: str | None


class Payment(Struct, frozen=True, kw_only=True):
    """Money received or given back."""

    paid_at: datetime | None
    gateway: str
    amount: Money
    refunded: Money


class InvoiceSummary(Struct, frozen=True, kw_only=True):
    """An invoice in a list."""

    invoice_id: str
    number: str
    status: str
    issued_on: date | None
    due_on: date | None
    total: Money
    balance: Money


class Invoice(Struct, frozen=True, kw_only=True):
    """An invoice in full."""

    invoice_id: str
    number: str
    status: str
    issued_on: date | None
    due_on: date | None
    paid_at: datetime | None
    items: list[InvoiceItem]
    payments: list[Payment]
    subtotal: Money
    tax: Money
    tax_rate_percent: str
    credit: Money
    total: Money
    balance: Money
