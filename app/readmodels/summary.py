"""The first screen: what an account owes, has, waits for and should do, put together of its read models."""

from datetime import date

from msgspec import Struct

from app.money import Money
from app.readmodels.invoices import InvoiceSummary
from app.readmodels.orders import OrderSummary


class Owed(Struct, frozen=True, kw_only=True):
    """Invoices that are to be paid; amounts one a currency, their oldest first, and at most ten of them.

    `incomplete` says that what is open of some of them is not known, so that the amounts are too low.
    """

    count: int
    amounts: list[Money]
    incomplete: bool
    items: list[InvoiceSummary]


class Renewal(Struct, frozen=True, kw_only=True):
    """The service that is billed next."""

    subscription_id: str
    name: str
    due_on: date
    amount: Money


class OpenOrders(Struct, frozen=True, kw_only=True):
    """Orders under way; the newest ten of them, those just placed first."""

    count: int
    items: list[OrderSummary]


class OnFile(Struct, frozen=True, kw_only=True):
    """Whether there is a method to charge, and how many have not expired."""

    on_file: bool
    usable: int


class Task(Struct, frozen=True, kw_only=True):
    """Something the customer should do.

    Attributes:
        kind: pay_overdue_invoices, add_payment_method, update_payment_method, or unblock_order.
    """

    kind: str
    text: str
    order_id: str | None = None
    invoice_id: str | None = None
    payment_method_id: str | None = None


class Summary(Struct, frozen=True, kw_only=True):
    """The first screen of an account.

    Attributes:
        open: everything that is unpaid; `overdue` is the part of it whose day has passed.
        next_due: the unpaid invoice that is due next, of those that are not overdue.
        services: how many there are in each state.
    """

    open: Owed
    overdue: Owed
    next_due: InvoiceSummary | None
    next_renewal: Renewal | None
    services: dict[str, int]
    open_orders: OpenOrders
    payment_method: OnFile
    unread_notifications: int
    tasks: list[Task]
