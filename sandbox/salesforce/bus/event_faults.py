"""Faults of single events on their way to a subscriber. The events on the bus stay as they are."""

from collections.abc import Iterator

from sandbox.faults import scripted
from sandbox.faults.scripted import Fault
from sandbox.salesforce.bus.bus import Bus, Event
from sandbox.salesforce.bus.swallowing import gap_of, spoilt
from sandbox.salesforce.ports import SalesforceWorld

UPSTREAM = "salesforce"


def delivered(world: SalesforceWorld, topic: str, event: Event) -> Iterator[Event]:
    """Yield what a subscriber receives of one event."""
    fault = world.faults.take_event(UPSTREAM, topic)
    if fault is None:
        yield event
        return
    world.faults.note_event(fault.kind, *_about(world.salesforce.bus, event))
    if fault.kind != scripted.DROP_EVENT:
        yield _faulty(world.salesforce.bus, event, fault)
    if fault.kind == scripted.DUPLICATE_EVENT:
        yield event


def _about(bus: Bus, event: Event) -> tuple[str, list[str]]:
    """Return the object and the ids that an event is about."""
    schema = bus.schemas.get(event.schema_id)
    try:
        record = schema.decode(event.payload) if schema else {}
    except Exception:  # spoilt on the bus already
        record = {}
    header = record.get("ChangeEventHeader", {})
    return header.get("entityName", ""), header.get("recordIds", [])


def _faulty(bus: Bus, event: Event, fault: Fault) -> Event:
    schema = bus.schemas.get(event.schema_id)
    if schema is None or fault.kind == scripted.DUPLICATE_EVENT:
        return event
    try:
        record = schema.decode(event.payload)
    except Exception:  # nothing is left to be spoilt
        return event
    if fault.kind == scripted.UNDECODABLE_EVENT:
        schema_id, payload = spoilt(fault.how, schema, event.payload, record)
        return Event(event.id, schema_id, payload, event.at_ms)
    header = record.get("ChangeEventHeader")
    if header is None:
        return event
    return Event(event.id, event.schema_id, schema.encode({"ChangeEventHeader": gap_of(header)}), event.at_ms)
