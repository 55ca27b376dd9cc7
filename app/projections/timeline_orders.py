"""Orders in the timeline: every state an order was seen to enter.

Reads: salesforce Order, OrderItem, OrderStage; refers to Product2. Writes: read_model.timeline_orders.
"""

from app.ingest.apply.status_history import in_order
from app.projections.orders import PRODUCT_OF_ITEM, service_made, timeline
from app.projections.parts.timeline_events import EventSubject, TimelineEvent, rows
from app.projections.projector import Group, Projected, Projector
from app.readmodels import timeline as readmodel
from app.readmodels.ordering.order_life import PAUSES
from app.settings import Settings
from app.words.sentence import say, together
from app.words.worded import sentence_in

NOTIFYING = frozenset({"approved", "awaiting_payment_method", "awaiting_payment", "active", "cancelled", "rejected"})
ASK_SUPPORT = frozenset(pause.code for pause in PAUSES.values() if pause.next_step == "contact_support")
"""The other pauses end without the customer, often within minutes."""


def projector(settings: Settings) -> Projector:
    """Build the projector of the timeline of orders."""
    return Projector(
        name="timeline_orders",
        version=4,
        source="salesforce",
        scope="record",
        root="Order",
        reads=("Order", "OrderItem", "OrderStage"),
        lookups=(PRODUCT_OF_ITEM,),
        table=readmodel.table("timeline_orders"),
        project=_project,
    )


def _project(group: Group) -> Projected:
    return Projected(rows=rows(group, _subject(group), _events(group)) if group.of("Order") else ())


def _subject(group: Group) -> EventSubject:
    services = [service_made(item, group) for item in group.of("OrderItem")]
    return EventSubject(area="orders", order_id=group.item_id, subscription_ids=[each for each in services if each])


def _events(group: Group) -> list[TimelineEvent]:
    (order,) = group.of("Order")
    number = order.data.get("OrderNumber")
    name = say("timeline.order", number=number) if number else say("timeline.order_unnumbered")
    found: list[TimelineEvent] = []
    for step in timeline(order.data, in_order(group.of("OrderStage"))):
        kind = f"order_{step.state}"
        entered_before = sum(each.kind == kind for each in found)
        found.append(
            TimelineEvent(
                kind=kind,
                at=step.at,
                text=together(name, sentence_in(step, "text")),
                dedup_key=str(entered_before),
                notifies=step.state in NOTIFYING or step.reason in ASK_SUPPORT,
            )
        )
    return found
