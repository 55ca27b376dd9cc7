"""The shapes of query answers for the OpenAPI document: documents with their age, and pages of them."""

from datetime import datetime

from msgspec import UNSET, Struct, UnsetType

from app.postal import Address
from app.queries.cases import Case, CaseSummary
from app.queries.catalog import AccountCategory
from app.queries.plans import OtherPlans
from app.queries.reading.links import Links
from app.queries.reading.pending_writes import PendingWrite
from app.readmodels.catalog import Category, CategorySummary, Product
from app.readmodels.charges import Charge
from app.readmodels.freshness import StaleReason
from app.readmodels.gateways import Gateway
from app.readmodels.invoices import BillingAddress, Invoice, InvoiceSummary
from app.readmodels.notifications import Notification
from app.readmodels.ordering.eligibility import Eligibility
from app.readmodels.orders import Order, OrderSummary
from app.readmodels.payment_methods import PaymentMethod, PaymentMethodHint
from app.readmodels.profiles import Profile
from app.readmodels.subscriptions import Subscription
from app.readmodels.summary import Summary
from app.readmodels.timeline import Entry


class Aged(Struct, kw_only=True, frozen=True):
    """The age of an answer: when the data last equalled its source, whether it may differ by now, and why.

    The reasons: never_verified, parked (a change could not be applied), feed_stalled (the change feed is silent),
    upstream_away and past_bound (it is being read again). When several hold, the first one is given.
    """

    as_of: datetime
    stale: bool
    stale_reason: StaleReason | None


class Listed(Aged, kw_only=True, frozen=True):
    """A page; send `next_cursor` back as `cursor` to read the next one. `count` comes with `?count=true`: the items of
    the whole list, as filtered, up to 10,000."""

    next_cursor: str | None
    count: int | UnsetType = UNSET


class Categories(Aged, kw_only=True, frozen=True):
    """The storefront's first page."""

    items: list[CategorySummary]


class CategoryAnswer(Category, kw_only=True, frozen=True):
    """A category with its age."""

    as_of: datetime
    stale: bool
    stale_reason: StaleReason | None


class ProductAnswer(Product, kw_only=True, frozen=True):
    """A product with its age."""

    as_of: datetime
    stale: bool
    stale_reason: StaleReason | None


class AccountCategoryAnswer(AccountCategory, kw_only=True, frozen=True):
    """A category as one account may have it, with its age."""

    as_of: datetime
    stale: bool
    stale_reason: StaleReason | None


class EligibilityAnswer(Eligibility, kw_only=True, frozen=True):
    """Eligibility with its age."""

    as_of: datetime
    stale: bool
    stale_reason: StaleReason | None
    pending_writes: list[PendingWrite]


class ProfileAnswer(Profile, kw_only=True, frozen=True):
    """Profile with its age."""

    as_of: datetime
    stale: bool
    stale_reason: StaleReason | None
    pending_writes: list[PendingWrite]


class AddressAnswer(Address, kw_only=True, frozen=True):
    """Billing address with its age."""

    as_of: datetime
    stale: bool
    stale_reason: StaleReason | None
    pending_writes: list[PendingWrite]


class Orders(Listed, kw_only=True, frozen=True):
    """A page of orders."""

    items: list[OrderSummary]
    pending_writes: list[PendingWrite]


class OrderAnswer(Order, kw_only=True, frozen=True):
    """An order with its age."""

    as_of: datetime
    stale: bool
    stale_reason: StaleReason | None
    links: Links
    pending_writes: list[PendingWrite]


class ListedInvoice(InvoiceSummary, kw_only=True, frozen=True):
    """An invoice in a list; `overdue` is true when it is unpaid after its due date."""

    overdue: bool
    """Whether it is unpaid after its due date, in the customer's time zone."""


class Invoices(Listed, kw_only=True, frozen=True):
    """A page of invoices."""

    items: list[ListedInvoice]
    pending_writes: list[PendingWrite]


class InvoiceAnswer(Invoice, kw_only=True, frozen=True):
    """An invoice with its age.

    Attributes:
        overdue: it is unpaid after its due date.
        billing_address: whom it is addressed to: the customer's present address while the invoice is open. Null for a
            settled one, and where the billing system sends invoices to another contact; its PDF shows the address.
        collected_by: the collective invoices through which it was or can be paid together with others.
    """

    overdue: bool
    billing_address: BillingAddress | None
    collected_by: list[str]
    as_of: datetime
    stale: bool
    stale_reason: StaleReason | None
    links: Links
    pending_writes: list[PendingWrite]


class Subscriptions(Listed, kw_only=True, frozen=True):
    """A page of subscriptions."""

    items: list[Subscription]
    pending_writes: list[PendingWrite]


class SubscriptionAnswer(Subscription, kw_only=True, frozen=True):
    """A subscription with its age, and the fees that were ordered with it."""

    as_of: datetime
    stale: bool
    stale_reason: StaleReason | None
    links: Links
    charges: list[Charge]
    """Fees that were ordered with it."""
    pending_writes: list[PendingWrite]


class ListedCharge(Charge, kw_only=True, frozen=True):
    """A charge in a list, with the subscription that it was ordered with."""

    subscription_id: str | None


class Charges(Listed, kw_only=True, frozen=True):
    """A page of charges."""

    items: list[ListedCharge]


class OtherPlansAnswer(OtherPlans, kw_only=True, frozen=True):
    """The other plans with their age."""

    as_of: datetime
    stale: bool
    stale_reason: StaleReason | None


class PaymentMethods(Listed, kw_only=True, frozen=True):
    """A page of payment methods, and what the customer should do about them."""

    items: list[PaymentMethod]
    hints: list[PaymentMethodHint]
    """What the customer should do about them."""
    pending_writes: list[PendingWrite]


class Cases(Listed, kw_only=True, frozen=True):
    """A page of support cases."""

    items: list[CaseSummary]
    pending_writes: list[PendingWrite]


class CaseAnswer(Case, kw_only=True, frozen=True):
    """A support case with its age."""

    as_of: datetime
    stale: bool
    stale_reason: StaleReason | None
    pending_writes: list[PendingWrite]


class PaymentGateways(Listed, kw_only=True, frozen=True):
    """All payment gateways of the installation."""

    items: list[Gateway]


class SummaryAnswer(Summary, kw_only=True, frozen=True):
    """The first screen, as old as the oldest part of it."""

    as_of: datetime
    stale: bool
    stale_reason: StaleReason | None


class Timeline(Listed, kw_only=True, frozen=True):
    """A page of the account's history."""

    items: list[Entry]


class Notifications(Listed, kw_only=True, frozen=True):
    """A page of notifications. `unread` counts all unread ones of the account, up to a thousand."""

    items: list[Notification]
    unread: int
