"""Orders: a Salesforce Order with its OrderItems and product names → one row per order.

Reads: salesforce Order, OrderItem, and its OrderStages; refers to Product2. Writes: read_model.orders.
"""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

import msgspec

from app.events import Record
from app.ingest.apply.status_history import in_order
from app.intake.billing_cycles import UNKNOWN, cycle_of
from app.intake.fields import Fields
from app.intake.words import folded
from app.projections.parts.fields import added, day, instant, shown
from app.projections.parts.offers import class_of
from app.projections.parts.order_prices import OrderTerms, line_total, order_terms, price_of
from app.projections.parts.vocabulary import known
from app.projections.projector import Group, Lookup, Projected, Projector
from app.readmodels.ordering.order_life import CHECKED_BY_STAFF, STATES, OrderStatus, PauseReason, Words, pause_of
from app.readmodels.orders import (
    PRICE_UNREADABLE,
    TABLE,
    Order,
    OrderItem,
    OrderReason,
    OrderSummary,
    TimelineEntry,
)
from app.readmodels.services import UNCLASSED, is_charge
from app.settings import Settings

CONTINUED = "reactivate"
"""The value of Order.Status by which staff continue an order, whatever stopped it; fulfilment sets it back to
Approved."""
APPROVED = frozenset({"approved", CONTINUED})
REVIEWS = {
    "pending review": "in_review",
    "draft": "in_review",
    "approved": "approved",
    CONTINUED: "approved",
    "processed": "active",
    "activated": "finished",
    "completed": "finished",
    "cancelled": "cancelled",
    "canceled": "cancelled",
    "rejected": "rejected",
}
"""Values of Order.Status, folded → review state. An unknown value counts as in review."""
PAUSED: tuple[OrderStatus, ...] = ("awaiting_payment_method", "awaiting_payment", "paused")
MOST_PIECES = 10**9
LONGEST_TIMELINE = 50
"""Most entries; an order with more loses the oldest ones."""
ADDRESS = {
    "street": "BillingStreet",
    "city": "BillingCity",
    "state": "BillingState",
    "postcode": "BillingPostalCode",
    "country": "BillingCountry",
}


PRODUCT_OF_ITEM = Lookup(target="Product2", referrer="OrderItem", field="Product2Id")


def projector(settings: Settings) -> Projector:
    """Build the projector of orders. Where an order says no currency, it is the org's."""

    def project(group: Group) -> Projected:
        roots = group.of("Order")
        return Projected(rows=[_row(root, group, settings.salesforce_currency) for root in roots])

    return Projector(
        name="orders",
        version=6,
        source="salesforce",
        scope="record",
        root="Order",
        reads=("Order", "OrderItem", "OrderStage"),
        lookups=(PRODUCT_OF_ITEM,),
        table=TABLE,
        project=project,
    )


def customer_status(order: dict[str, Any]) -> OrderStatus:
    """Reduce review status, activation status and error code of an Order to one status for customers.

    The vendor's own values for a finished order count as finished, unless the activation says otherwise. While staff
    review an order, and once they continue it, what stopped it earlier no longer counts.
    """
    word, activation = folded(order.get("Status")), folded(order.get("Activation_Status__c"))
    review = REVIEWS.get(word)
    if review in ("cancelled", "rejected"):
        return "cancelled" if review == "cancelled" else "rejected"
    if activation == "activated" or review == "active" or (review == "finished" and not activation):
        return "active"
    if review == "in_review" or word == CONTINUED:
        return "in_review" if review == "in_review" else "approved"
    return _activation(review, activation, pause_of(order.get("Activation_Error_Code__c")))


def _activation(review: str | None, activation: str, pause: PauseReason | None) -> OrderStatus:
    if pause or activation == "failed":
        return pause.status if pause else "paused"
    if activation == "activating":
        return "activating"
    if review not in ("approved", "finished"):
        return "in_review"
    return "created" if activation == "created" else "approved"


def words_of(order: dict[str, Any], status: OrderStatus) -> tuple[Words, str | None]:
    """Return what the customer reads about an order in this status, and the code of the reason if it is paused."""
    if status not in PAUSED:
        return STATES[status], None
    pause = pause_of(order.get("Activation_Error_Code__c")) or CHECKED_BY_STAFF
    return Words(pause.text, pause.next_step), pause.code


def _row(root: Record, group: Group, org_currency: str) -> dict[str, Any]:
    data, status, stages = root.data, customer_status(root.data), in_order(group.of("OrderStage"))
    terms = order_terms(root, group.of("OrderItem"), org_currency)
    words, reason = words_of(data, status)
    known(REVIEWS, root, "Status")  # counts unknown values
    items = [_item(item, group, terms, org_currency) for item in group.of("OrderItem")]
    total = added([None if item.total is None else Decimal(item.total.amount) for item in items])
    order = Order(
        order_id=root.record_id,
        order_number=data.get("OrderNumber"),
        status=status,
        status_text=words.text,
        next_step=words.next_step,
        review_status=data.get("Status") or "",
        activation_status=data.get("Activation_Status__c"),
        reason=OrderReason(reason, words.text) if reason else None,
        placed_at=instant(data.get("CreatedDate")),
        effective_date=day(data.get("EffectiveDate")),
        total=shown(total, terms.currency),
        total_unknown=PRICE_UNREADABLE if total is None else None,
        billing_currency=terms.billing_currency,
        tax=terms.tax,
        items=items,
        address={name: data.get(field) for name, field in ADDRESS.items()},
        address_changed=bool(data.get("Address_Changed__c")),
        promo_code=data.get("Promo_Code__c"),
        timeline=timeline(data, stages),
    )
    return {
        "order_id": order.order_id,
        "order_number": order.order_number,
        "review_status": order.review_status,
        "activation_status": order.activation_status,
        "status": status,
        "placed_at": order.placed_at,
        "effective_date": order.effective_date,
        "total_amount": total,
        "currency": terms.currency,
        "billing_currency": terms.billing_currency,
        "item_count": len(items),
        "whmcs_order_id": data.get("WHMCS_Order_ID__c"),
        "error_code": data.get("Activation_Error_Code__c"),
        **approval(stages),
        "changed_at": root.occurred_at,
        "as_of": max(record.verified_at for record in group.records),
        "summary": msgspec.json.encode(_summary(order)),
        "document": msgspec.json.encode(order),
    }


def _summary(order: Order) -> OrderSummary:
    same = {name: getattr(order, name) for name in OrderSummary.__struct_fields__ if name != "item_count"}
    return OrderSummary(**same, item_count=len(order.items))


def _item(item: Record, group: Group, terms: OrderTerms, org_currency: str) -> OrderItem:
    data = item.data
    product = group.context.get(("Product2", data.get("Product2Id") or ""))
    facts = product.data if product else {}
    quantity = _quantity(Fields("salesforce", "OrderItem", item.record_id, data))
    price = price_of(item, terms, org_currency)
    return OrderItem(
        order_item_id=item.record_id,
        sku=facts.get("StockKeepingUnit"),
        name=facts.get("Name") or data.get("Description") or "",
        billing_cycle=cycle_of(facts.get("Billing_Cycle__c")),
        quantity=_shown_quantity(quantity),
        unit_price=shown(price.amount, terms.currency) if price else None,
        setup_fee=shown(price.setup_fee, terms.currency) if price and price.setup_fee else None,
        total=shown(line_total(price, quantity), terms.currency),
        subscription_id=service_made(item, group),
        item_class=class_of(product) if product else UNCLASSED,
    )


def service_made(item: Record, group: Group) -> str | None:
    """Return the id of the service that the line created; None while there is none, and for a charge."""
    product = group.context.get((PRODUCT_OF_ITEM.target, item.data.get(PRODUCT_OF_ITEM.field) or ""))
    cycle = cycle_of(product.data.get("Billing_Cycle__c")) if product else UNKNOWN
    if product and is_charge(cycle, class_of(product), cycle):
        return None
    return item.data.get("WHMCS_Service_ID__c") or None


def _quantity(fields: Fields) -> Decimal | None:
    """Read the quantity, which may be a fraction: one when the field is empty, None when it is unreadable."""
    stated = fields.money("Quantity")
    if stated is None:
        return Decimal(1) if fields.says_nothing("Quantity") else None
    return stated if abs(stated) <= MOST_PIECES else None


def _shown_quantity(quantity: Decimal | None) -> int | float | None:
    if quantity is None:
        return None
    return int(quantity) if quantity == quantity.to_integral_value() else float(quantity)


def approval(stages: Sequence[Record]) -> dict[str, str | None]:
    """Return the columns about the last time staff approved or continued the order, given its stages in order.

    An approval is the step from another status, so that no repetition of a state and no write of the portal is one.
    """
    found, despite, before = "", None, None
    for stage in stages:
        word = folded(stage.data.get("Status"))
        if before is not None and word in APPROVED and (before not in APPROVED or before != word == CONTINUED):
            found, despite = stage.record_id, stage.data.get("Activation_Error_Code__c")
        before = word
    return {"approval": found, "approved_despite": despite}


def timeline(data: dict[str, Any], stages: Sequence[Record]) -> list[TimelineEntry]:
    """List the placing and every state the order entered, given its stages in order; when no stage was seen, the
    present state.

    Times never decrease: those of reads are whole seconds, and may lie before an event's of the same second.
    """
    seen: list[tuple[dict[str, Any], datetime | None]] = [(stage.data, stage.occurred_at) for stage in stages]
    seen = seen or [(data, instant(data.get("LastModifiedDate")))]
    placed_at = instant(data.get("CreatedDate"))
    found = [TimelineEntry("in_review", STATES["in_review"].text, placed_at)] if placed_at else []
    before: tuple[OrderStatus, str | None] = ("in_review", None)
    for each, at in seen:
        status = customer_status(each)
        words, reason = words_of(each, status)
        if (status, reason) == before:
            continue
        before = (status, reason)
        if at is None:
            continue
        at = max(at, found[-1].at) if found else at
        if status == "activating" and not any(entry.state in ("created", "activating") for entry in found):
            found.append(TimelineEntry("created", STATES["created"].text, at))
        found.append(TimelineEntry(status, words.text, at, reason))
    return found[-LONGEST_TIMELINE:]
