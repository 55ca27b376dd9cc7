"""The first screen, combined from an account's read models: debts, services, open orders and tasks."""

from datetime import date
from typing import Annotated

from msgspec import Struct

from app.intake.words import one_of
from app.money import Money
from app.readmodels.billing.dunning import Dunning
from app.readmodels.invoices import InvoiceSummary
from app.readmodels.orders import OrderSummary
from app.words.sentence import Phrase
from app.words.worded import Worded


class Owed(Struct, frozen=True, kw_only=True):
    """Unpaid invoices: one amount per currency, and the ten oldest invoices.

    `incomplete` is true when the open amount of some invoices is unknown, so that the amounts are too low.
    """

    count: int
    amounts: list[Money]
    """One amount for each currency."""
    incomplete: bool
    """Whether an amount cannot be read, so that more is owed."""
    items: list[InvoiceSummary]


class Renewal(Struct, frozen=True, kw_only=True):
    """The service that is billed next."""

    subscription_id: str
    name: str
    due_on: date
    amount: Money


class OpenOrders(Struct, frozen=True, kw_only=True):
    """Open orders: the newest ten, those just placed first."""

    count: int
    items: list[OrderSummary]


class OnFile(Struct, frozen=True, kw_only=True):
    """The payment methods on file: whether there is one, and how many have not expired."""

    on_file: bool
    """Whether there is a payment method."""
    usable: int
    """How many of them have not expired."""


TaskKind = Annotated[
    str, one_of(["pay_overdue_invoices", "add_payment_method", "update_payment_method", "unblock_order"])
]
"""The kinds of tasks for a customer."""


class Task(Worded, frozen=True, kw_only=True):
    """A task for the customer.

    Attributes:
        kind: pay_overdue_invoices, add_payment_method, update_payment_method, or unblock_order.
    """

    kind: TaskKind
    text: str
    order_id: str | None = None
    invoice_id: str | None = None
    payment_method_id: str | None = None
    text_phrases: tuple[Phrase, ...] = ()


class Summary(Struct, frozen=True, kw_only=True):
    """The first screen of an account.

    Attributes:
        open: all unpaid invoices; `overdue` are those whose due date has passed.
        next_due: the unpaid invoice that is due next, among those that are not overdue.
        services: number of services in each status.
        dunning: what follows while an invoice stays unpaid: of several, the most urgent; null while the portal does
            nothing about any. Each invoice has its own in `open.items`.
    """

    open: Owed
    overdue: Owed
    """Unpaid invoices after their due date."""
    next_due: InvoiceSummary | None
    next_renewal: Renewal | None
    """The service that is billed next; null without one."""
    services: dict[str, int]
    open_orders: OpenOrders
    """Orders that are not finished."""
    payment_method: OnFile
    """The payment methods on file."""
    unread_notifications: int
    """How many notifications are unread."""
    tasks: list[Task]
    dunning: Dunning | None = None
