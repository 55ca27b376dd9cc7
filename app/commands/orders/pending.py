"""A placed order as the customer sees it until the read model shows it.

It has the read model's shape with `pending: true`; what only Salesforce knows (the order number, the items' ids) is
empty.
"""

import msgspec

from app.clock import now
from app.commands.execution.context import Actor
from app.commands.orders.basket import Basket
from app.commands.orders.facts import Facts, OrderableProduct
from app.commands.orders.mapping import is_changed, ordered_address, snapshot
from app.ingest.inbox.pending import Pending
from app.money import money
from app.readmodels.documents import with_members
from app.readmodels.ordering.order_life import STATES, OrderStatus
from app.readmodels.orders import Order, OrderItem, OrderSummary, TimelineEntry

STATUS: OrderStatus = "in_review"
REVIEW_STATUS = "Pending Review"
PENDING = b'"pending":true'


def pending_order(actor: Actor, order_id: str, basket: Basket, facts: Facts, currency: str) -> Pending:
    """Build the pending entry for an order that was just placed, with the catalog's prices."""
    at, words = now(), STATES[STATUS]
    chosen = [facts.products[item.sku] for item in basket.items if item.sku in facts.products]
    address = ordered_address(basket) or facts.address
    order = Order(
        order_id=order_id,
        order_number=None,
        status=STATUS,
        status_text=words.text,
        next_step=words.next_step,
        review_status=REVIEW_STATUS,
        activation_status=None,
        reason=None,
        placed_at=at,
        effective_date=facts.today,
        total=money(sum(product.price for product in chosen), currency),
        items=[_item(product, currency) for product in chosen],
        address=msgspec.structs.asdict(snapshot(address)) if address else {},
        address_changed=address is not None and is_changed(address, facts.address),
        promo_code=basket.promo_code,
        timeline=[TimelineEntry(STATUS, words.text, at)],
    )
    same = {name: getattr(order, name) for name in OrderSummary.__struct_fields__ if name != "item_count"}
    summary = OrderSummary(**same, item_count=len(order.items))
    return Pending(
        account_id=actor.account_id_or_refuse(),
        slice="orders",
        item_id=order_id,
        summary=_marked(summary),
        document=_marked(order),
    )


def _item(product: OrderableProduct, currency: str) -> OrderItem:
    return OrderItem(
        order_item_id="",
        sku=product.sku,
        name=product.name,
        billing_cycle=product.billing_cycle,
        quantity=1,
        unit_price=money(product.price, currency),
        total=money(product.price, currency),
        subscription_id=None,
    )


def _marked(shape: Order | OrderSummary) -> bytes:
    return with_members(msgspec.json.encode(shape), PENDING)
