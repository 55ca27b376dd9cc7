"""Invoices: WHMCS invoices with their lines, tax, credit, payments and refunds.

Whatever WHMCS reports, these hold for every row and document:

    subtotal = the lines, or the lines without tax where prices include it
    total    = subtotal + tax - credit
    balance  = total - paid + refunded

All amounts are in whole units of the currency's smallest coin. `amount_due` is the balance of an invoice that can be
paid, and zero for any other. An amount that cannot be read is null, and so is every sum that needs it: a sum without it
would be too low.
"""

from datetime import date, datetime
from typing import Annotated, Literal, get_args

from msgspec import Struct

from app.intake.words import folded, one_of
from app.money import Money
from app.postal import Address
from app.readmodels.billing.dunning import Dunning
from app.readmodels.table import Table

InvoiceStatus = Literal[
    "draft", "unpaid", "overdue", "paid", "cancelled", "refunded", "collections", "payment_pending", "unknown"
]
"""The statuses that a customer sees."""

STATUSES = {
    "Draft": "draft",
    "Unpaid": "unpaid",
    "Paid": "paid",
    "Cancelled": "cancelled",
    "Refunded": "refunded",
    "Collections": "collections",
    "Payment Pending": "payment_pending",
}
"""WHMCS's complete list of statuses. *Overdue* is not one of them: it depends on the date, and no event comes at
midnight."""
_WORDS = {"overdue": "unpaid", **{folded(word): status for word, status in STATUSES.items()}}
UNKNOWN = "unknown"
StatusWord = Annotated[str, one_of(get_args(InvoiceStatus))]
"""A status in a document; `unknown` where WHMCS's word is none of its own."""
LineKindWord = Annotated[
    str,
    one_of(
        [
            *("service", "charge", "setup", "addon", "domain", "upgrade", "discount", "late_fee", "funds", "invoice"),
            *("item", "adjustment", "other"),
        ]
    ),
]
"""What a line is for; `other` where WHMCS's word is none of its own."""
PAYABLE = frozenset({"unpaid", "overdue"})
"""The only statuses in which WHMCS takes a payment. An unknown status may not be one of them."""
OPEN = frozenset({"unpaid", "overdue", "payment_pending", "collections"})
"""The statuses in which an invoice is addressed to the client as it is now."""


def status_of(word: object) -> str:
    """Map WHMCS's status to the portal's."""
    return _WORDS.get(folded(word), UNKNOWN)


TABLE = Table(
    "invoices",
    "invoice_id",
    {
        "account_id": "uuid",
        "invoice_id": "text",
        "invoice_number": "text",
        "status": "text",
        "upstream_status": "text",
        "collective": "bool",
        "subscription_ids": "text",
        "issued_on": "date",
        "due_on": "date",
        "paid_at": "timestamptz",
        "subtotal": "numeric",
        "tax": "numeric",
        "credit": "numeric",
        "total": "numeric",
        "paid": "numeric",
        "refunded": "numeric",
        "balance": "numeric",
        "currency": "text",
        "search": "text",
        "sort_id": "bigint",
        "version": "bigint",
        "as_of": "timestamptz",
        "summary": "bytea",
        "document": "bytea",
    },
)


class InvoiceItem(Struct, frozen=True, kw_only=True):
    """An invoice line.

    Attributes:
        kind: service, charge, setup, addon, domain, upgrade, discount, late_fee, funds, invoice, item, adjustment or
            other.
        subscription_id: the service that it bills, sets up, changes, extends or discounts; for a charge, the one it was
            ordered with; on a late fee, the only service of its invoice. Null when it is about none, or about one that
            the billing system does not name.
        invoice_id: the invoice that it pays, on a collective invoice.
        quantity: how many, as a decimal number. This and the next three are null where the billing system's text does
            not say them.
        unit_price: the price of one, before tax where prices are.
        period_start: the first billed day.
        period_end: the last billed day.
    """

    description: str
    amount: Money | None
    taxed: bool
    """Whether tax is added to the line."""
    kind: LineKindWord
    subscription_id: str | None
    invoice_id: str | None
    quantity: str | None = None
    unit_price: Money | None = None
    period_start: date | None = None
    period_end: date | None = None


class TaxLine(Struct, frozen=True, kw_only=True):
    """One of the two taxes on an invoice."""

    rate_percent: str
    """The rate in percent, as a decimal number."""
    amount: Money


class Payment(Struct, frozen=True, kw_only=True):
    """Money received; `refunded` is the part of it that was refunded."""

    payment_id: str
    paid_at: datetime | None
    gateway: str
    reference: str
    """The gateway's reference; empty without one."""
    amount: Money
    refunded: Money
    """The part of it that was refunded."""


class Refund(Struct, frozen=True, kw_only=True):
    """Money refunded; `payment_id` is the refunded payment, if WHMCS names it."""

    refund_id: str
    """The id of the refund."""
    refunded_at: datetime | None
    """When it was refunded; null where the time cannot be read."""
    gateway: str
    reference: str
    """The gateway's reference; empty without one."""
    amount: Money
    payment_id: str | None


class InvoiceSummary(Struct, frozen=True, kw_only=True):
    """An invoice in a list.

    Attributes:
        dunning: what follows while it stays unpaid; null while the portal does nothing about it.
    """

    invoice_id: str
    number: str
    """The number that is printed on it."""
    status: StatusWord
    """The state of the invoice; `unknown` where the billing system's word is none of these."""
    issued_on: date | None
    due_on: date | None
    total: Money | None
    balance: Money | None
    amount_due: Money | None = None
    dunning: Dunning | None = None


class Invoice(Struct, frozen=True, kw_only=True):
    """An invoice in full.

    Attributes:
        collective: an invoice that only collects others, so that several are paid at once; its balance is theirs.
        prices_include_tax: whether the lines already include the tax.
        credit: the account credit applied to this invoice.
        charge_attempted_at: when the method on file was last charged for it; if the invoice is still unpaid, the
            charge was declined.
        amount_due: the amount to be paid now; zero unless the invoice can be paid. Absent until the release that
            introduced it has computed the invoice.
        dunning: what follows while it stays unpaid: why the charge failed, the next attempt, the day of suspension.
            Null while the portal does nothing about it, for example because the billing system charges and suspends.
    """

    invoice_id: str
    number: str
    """The number that is printed on it."""
    status: StatusWord
    """The state of the invoice; `unknown` where the billing system's word is none of these."""
    collective: bool
    issued_on: date | None
    due_on: date | None
    paid_at: datetime | None
    charge_attempted_at: datetime | None
    items: list[InvoiceItem]
    tax_lines: list[TaxLine]
    """The taxes."""
    payments: list[Payment]
    """The payments, the oldest first."""
    refunds: list[Refund]
    """The refunds, the oldest first."""
    prices_include_tax: bool
    subtotal: Money | None
    """The sum of the lines without tax; null where one cannot be read."""
    tax: Money | None
    """The sum of the taxes; null where one cannot be read."""
    tax_rate_percent: str
    """The rate of the first tax in percent, as a decimal number."""
    credit: Money | None
    total: Money | None
    paid: Money | None
    """The sum of the payments; null where one cannot be read."""
    refunded: Money | None
    """The sum of the refunds; null where one cannot be read."""
    balance: Money | None
    amount_due: Money | None = None
    dunning: Dunning | None = None


class BillingAddress(Address, frozen=True, kw_only=True):
    """Whom an invoice is addressed to."""

    first_name: str
    last_name: str
    company: str


class InvoiceContext(Struct, frozen=True, kw_only=True):
    """What an invoice in full shows beyond its own record.

    Attributes:
        overdue: it is unpaid after its due date.
        billing_address: whom it is addressed to: the customer's present address while the invoice is open. Null for a
            settled one, and where the billing system sends invoices to another contact; its PDF shows the address.
        collected_by: the collective invoices through which it was or can be paid together with others.
    """

    overdue: bool
    billing_address: BillingAddress | None
    collected_by: list[str]
