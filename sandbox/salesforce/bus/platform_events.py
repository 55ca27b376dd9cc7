"""Publishing platform events from inside the org."""

import uuid

from sandbox.salesforce.bus.bus import Event
from sandbox.salesforce.org.org import Org
from sandbox.salesforce.org.values import Row, accept
from sandbox.salesforce.rest.errors import SalesforceError, not_found
from sandbox.salesforce.schema.objects import ELIGIBILITY_EVENT, EVENTS, event_topic


def publish_event(org: Org, name: str, values: Row, *, now_ms: int, user_id: str) -> str:
    """Put a platform event on its topic; the event's UUID.

    Raises:
        SalesforceError: NOT_FOUND for an unknown event, INVALID_FIELD for an unknown field, or a bad value's error.
    """
    if name not in EVENTS:
        raise not_found()
    known = {each.name: each for each in EVENTS[name]}
    for key in values:
        if key not in known and key != "attributes":
            raise SalesforceError("INVALID_FIELD", f"No such column '{key}' on sobject of type {name}")
    record = {each: accept(field, values.get(each)) for each, field in known.items()}
    schema = org.schemas[name]
    payload = schema.encode({"CreatedDate": now_ms, "CreatedById": user_id} | record)
    event = Event(str(uuid.uuid4()), schema.id, payload, now_ms)
    org.bus.publish([event_topic(name)], event)
    org.revision += 1
    org.bus.wake()
    return event.id


def announce_eligibility(org: Org, account: Row, *, now_ms: int, user_id: str) -> str:
    """Publish the event that the org's flow publishes after staff changed an account's eligibility."""
    values = {field.name: account.get(field.name) for field in EVENTS[ELIGIBILITY_EVENT]}
    return publish_event(
        org, ELIGIBILITY_EVENT, values | {"Account_Id__c": account["Id"]}, now_ms=now_ms, user_id=user_id
    )
