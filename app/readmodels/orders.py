"""Orders: Salesforce orders with their items, as the customer follows them."""

from datetime import date, datetime
from typing import Any

from msgspec import Struct, field

from app.intake.billing_cycles import CycleWord
from app.money import Money
from app.readmodels.ordering.order_life import NextStep, OrderStatus
from app.readmodels.pricing.tax import TaxWord
from app.readmodels.services import UNCLASSED, ClassWord
from app.readmodels.table import Table
from app.words.sentence import Phrase, say
from app.words.worded import Worded

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
        "billing_currency": "text",
        "item_count": "int",
        "whmcs_order_id": "text",
        "error_code": "text",
        "approval": "text",
        "approved_despite": "text",
        "changed_at": "timestamptz",
        "search": "text",
        "version": "bigint",
        "as_of": "timestamptz",
        "summary": "bytea",
        "document": "bytea",
    },
)


class OrderItem(Struct, frozen=True, kw_only=True):
    """An order line.

    `subscription_id` appears once fulfilment has created the service; a fee creates none. `quantity` is an integer
    unless staff entered another number, and null if it cannot be read. `total` is for all pieces, with their
    `setup_fee`s, which are billed once.
    """

    order_item_id: str
    """The id of the order line."""
    sku: str | None
    name: str
    billing_cycle: CycleWord
    quantity: int | float | None
    unit_price: Money | None
    """The price of one; null where it cannot be read."""
    total: Money | None
    subscription_id: str | None
    item_class: ClassWord = UNCLASSED
    setup_fee: Money | None = None


class OrderReason(Worded, frozen=True):
    """The reason why an order does not move on: a stable code, and a sentence with the way forward."""

    code: str
    message: str
    message_phrases: tuple[Phrase, ...] = ()


PRICE_UNREADABLE = OrderReason("price_unreadable", say("orders.price_unreadable"))
OTHER_CURRENCY = OrderReason(
    "billed_in_another_currency",
    say("orders.other_currency"),
)
CURRENCY_UNKNOWN = OrderReason(
    "billing_currency_unknown",
    say("orders.currency_unknown"),
)
"""Reasons why an order shows no price."""


class TimelineEntry(Worded, frozen=True):
    """A state that the order reached, and when; for a pause also the code of its reason."""

    state: OrderStatus
    """The state that was reached."""
    text: str
    at: datetime
    reason: str | None = None
    text_phrases: tuple[Phrase, ...] = ()


class OrderSummary(Worded, frozen=True, kw_only=True):
    """An order in a list. `next_step` is what the customer does next; rows of an earlier release lack it.

    Prices are those of an `Order`. `item_names` are those of its first ten items, in their order.
    """

    order_id: str
    order_number: str | None
    """The number that support calls it by; null where there is none yet."""
    status: OrderStatus
    """The state of the order."""
    status_text: str
    next_step: NextStep = "wait"
    placed_at: datetime | None
    total: Money | None
    item_count: int
    """The number of items."""
    item_names: list[str] = field(default_factory=list)
    """The names of its first ten items, in their order."""
    billing_currency: str | None = None
    total_unknown: OrderReason | None = None
    status_text_phrases: tuple[Phrase, ...] = ()


MOST_NAMES = 10
"""Most items that a list names of an order."""


class Order(Worded, frozen=True, kw_only=True):
    """An order in full. `next_step` is what the customer does next.

    Prices are those agreed when the order was placed, in the `billing_currency` of that time, and `tax` says whether
    they contain consumption tax. `billing_currency` is null where nothing was recorded, as on orders that staff made:
    their prices count for customers who are billed in the price book's currency. A price that was not agreed in the
    customer's currency, or cannot be read, is null, and so is a sum with it; `total_unknown` says why.
    """

    order_id: str
    order_number: str | None
    """The number that support calls it by; null where there is none yet."""
    status: OrderStatus
    """The state of the order."""
    status_text: str
    next_step: NextStep
    review_status: str
    """The state of the review in Salesforce, in its own words."""
    activation_status: str | None
    """The state of the activation in Salesforce; null before it begins."""
    reason: OrderReason | None
    placed_at: datetime | None
    effective_date: date | None
    total: Money | None
    """The sum of the items; null where it cannot be read, see `total_unknown`."""
    tax: TaxWord = "excluded"
    items: list[OrderItem]
    address: dict[str, Any]
    """The address to be served, by part."""
    address_changed: bool
    """Whether it differs from the address on file."""
    promo_code: str | None = None
    timeline: list[TimelineEntry]
    """The states that the order reached, the first one first."""
    billing_currency: str | None = None
    total_unknown: OrderReason | None = None
    status_text_phrases: tuple[Phrase, ...] = ()


def summary_of(order: Order) -> OrderSummary:
    """Return the order as lists show it."""
    own = ("item_count", "item_names")
    same = {name: getattr(order, name) for name in OrderSummary.__struct_fields__ if name not in own}
    names = [item.name for item in order.items][:MOST_NAMES]
    return OrderSummary(**same, item_count=len(order.items), item_names=names)
