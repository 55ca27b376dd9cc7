"""Subscriptions: WHMCS services with their add-ons, cancellations and pending changes."""

from datetime import date
from typing import Annotated, Literal

from msgspec import Struct

from app.intake.billing_cycles import CycleWord
from app.intake.words import one_of
from app.money import Money
from app.readmodels.billing.dunning import Dunning
from app.readmodels.catalog import CategoryWord
from app.readmodels.plans import Direction
from app.readmodels.services import UNCLASSED, ClassWord
from app.readmodels.table import Table
from app.words.sentence import Phrase, say
from app.words.worded import Worded

ServiceStatus = Literal["pending", "active", "suspended", "terminated", "cancelled", "completed", "fraud"]
"""The statuses by which subscriptions can be filtered."""

STATUS_TEXTS = {
    "pending": say("subscriptions.pending"),
    "active": say("subscriptions.active"),
    "suspended": say("subscriptions.suspended"),
    "terminated": say("subscriptions.terminated"),
    "cancelled": say("subscriptions.cancelled"),
    "completed": say("subscriptions.completed"),
    "fraud": say("subscriptions.fraud"),
    "unknown": say("subscriptions.unknown"),
}
StatusWord = Annotated[str, one_of(STATUS_TEXTS)]
"""A status in a document; `unknown` where WHMCS's word is none of its own."""
OVERDUE_TEXT = say("subscriptions.overdue")

When = Literal["now", "end_of_period"]
"""When a cancellation takes effect."""

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
        "cancellation": "text",
        "cancellation_requested_on": "date",
        "ends_on": "date",
        "item_class": "text",
        "sku": "text",
        "order_id": "text",
        "search": "text",
        "sort_id": "bigint",
        "version": "bigint",
        "as_of": "timestamptz",
        "summary": "bytea",
        "document": "bytea",
    },
)


class Addon(Struct, frozen=True, kw_only=True):
    """An add-on of a service, billed with it."""

    addon_id: str
    """The id of the add-on."""
    name: str
    status: StatusWord
    """The state of the add-on; `unknown` where the billing system's word is none of these."""
    billing_cycle: CycleWord
    amount: Money | None
    next_due_on: date | None


class Cancellation(Struct, frozen=True, kw_only=True):
    """A cancellation request that is not carried out yet. It ends on `ends_on`; without one, within a day."""

    when: When
    """At once, or at the end of the billed period."""
    requested_on: date | None
    ends_on: date | None
    """The day on which the service ends; null where it ends within a day."""


class PendingChange(Struct, frozen=True, kw_only=True):
    """A change of plan that was ordered and takes effect once `invoice_id` is paid."""

    product_name: str
    invoice_id: str | None
    requested_on: date | None


class ScheduledChange(Struct, frozen=True, kw_only=True):
    """A future-dated change of plan, on a date that the customer chose."""

    sku: str
    name: str
    direction: Direction
    effective_date: date


class Subscription(Worded, frozen=True, kw_only=True):
    """A service that the customer has or had: a plan or an add-on. Fees are charges.

    `line` is the phone number of a SIM, `domain` the domain of any other service. An `amount` or a date that cannot be
    read is null. `sku` is that of the plan in the catalog; null where no product or several could be meant. `order_id`
    is the order that it was made for; null where staff set it up. `dunning` is what follows while an invoice of it
    stays unpaid: of several, the most urgent; null while the portal does nothing about any.
    """

    subscription_id: str
    name: str
    category: CategoryWord
    domain: str | None
    line: str | None
    """The number of the line; null without one."""
    status: StatusWord
    """The state of the service; `unknown` where the billing system's word is none of these."""
    status_text: str
    billing_cycle: CycleWord
    amount: Money | None
    registered_on: date | None
    next_due_on: date | None
    addons: list[Addon]
    """The add-ons that are billed with it."""
    cancellation: Cancellation | None
    """The cancellation that is requested; null without one."""
    pending_change: PendingChange | None
    """The change of plan that waits for its payment; null without one."""
    scheduled_change: ScheduledChange | None = None
    """The change of plan on a later day; null without one."""
    item_class: ClassWord = UNCLASSED
    dunning: Dunning | None = None
    sku: str | None = None
    order_id: str | None = None
    status_text_phrases: tuple[Phrase, ...] = ()
