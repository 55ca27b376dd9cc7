"""A placed order as the customer sees it until the read model shows it.

It has the read model's shape with `pending: true`; what only Salesforce knows (the order number, the items' ids) is
empty.
"""

from collections.abc import Sequence

import msgspec
from msgspec import structs

from app.clock import now
from app.commands.execution.context import Actor
from app.commands.execution.pending_write import write_of
from app.commands.orders.basket import Basket
from app.commands.orders.facts import Facts, OrderableProduct
from app.commands.orders.mapping import is_changed, ordered_address, snapshot
from app.ingest.inbox.pending import Pending
from app.money import Money, money
from app.readmodels.documents import with_members
from app.readmodels.ordering.order_life import STATES, OrderStatus
from app.readmodels.orders import CURRENCY_UNKNOWN, Order, OrderItem, OrderSummary, TimelineEntry, summary_of

STATUS: OrderStatus = "in_review"
REVIEW_STATUS = "Pending Review"
PENDING = b'"pending":true'


def pending_order(write: Pending, order_id: str, basket: Basket, facts: Facts) -> Pending:
    """Complete the write with the order that was just placed, with the prices that were agreed."""
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
        total=_sum(chosen),
        total_unknown=None if _sum(chosen) else CURRENCY_UNKNOWN,
        billing_currency=facts.terms.currency,
        tax=facts.terms.tax.word,
        items=[_item(product) for product in chosen],
        address=structs.asdict(snapshot(address)) if address else {},
        address_changed=address is not None and is_changed(address, facts.address),
        promo_code=basket.promo_code,
        timeline=[TimelineEntry(STATUS, words.text, at)],
    )
    return structs.replace(write, item_id=order_id, summary=_marked(summary_of(order)), document=_marked(order))


def order_write(actor: Actor, basket: Basket) -> Pending:
    """Build the write of a basket that is about to be ordered."""
    value = {"items": [item.sku for item in basket.items], "promo_code": basket.promo_code}
    history = ("salesforce", "account_history", actor.salesforce_account_id)
    return write_of(actor, "place_order", "orders", value, recheck=history)


def _sum(chosen: Sequence[OrderableProduct]) -> Money | None:
    """Add up the prices; None if one is unknown."""
    if not chosen or not all(each.is_priced for each in chosen):
        return None
    return money(sum(each.price + each.setup_fee for each in chosen), chosen[0].currency)


def _item(product: OrderableProduct) -> OrderItem:
    fee, is_priced, currency = product.setup_fee, product.is_priced, product.currency
    return OrderItem(
        order_item_id="",
        sku=product.sku,
        name=product.name,
        billing_cycle=product.billing_cycle,
        quantity=1,
        unit_price=money(product.price, currency) if is_priced else None,
        setup_fee=money(fee, currency) if is_priced and fee else None,
        total=money(product.price + fee, currency) if is_priced else None,
        subscription_id=None,
    )


def _marked(shape: Order | OrderSummary) -> bytes:
    return with_members(msgspec.json.encode(shape), PENDING)
