"""The faults of the event bus, on demand: `KINDS` maps each kind to its function.

Each function takes the org, the author and the request's body, and returns what it did.
"""

import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from sandbox.salesforce.bus.changes import append, header_of
from sandbox.salesforce.bus.swallowing import GAP, OVERFLOW, OVERFLOW_ID, SILENT, SPOILS, Spoil, Swallow
from sandbox.salesforce.org.org import Org
from sandbox.salesforce.rest.errors import SalesforceError
from sandbox.salesforce.schema.fields import Field
from sandbox.salesforce.schema.objects import CAPTURED

Body = dict[str, Any]


@dataclass
class Staff:
    """The author of simulated events."""

    now_ms: int
    origin: str
    user_id: str
    key: str = field(default_factory=lambda: str(uuid.uuid4()))


def _entity(body: Body, default: str = "Order") -> str:
    name = str(body.get("object", body.get("entity", default)))
    if name not in CAPTURED:
        raise SalesforceError("INVALID_INPUT", f"object must be one of {', '.join(CAPTURED)}")
    return name


def _bare(org: Org, staff: Staff, name: str, ids: list[str], kind: str) -> Body:
    org.commit_number += 1
    org.revision += 1
    append(org, name, header_of(org, name, ids, kind, staff), {}, author_ms=staff.now_ms)
    org.bus.wake()
    return {"object": name, "record_ids": ids, "change_type": kind}


def gap(org: Org, staff: Staff, body: Body) -> Body:
    """Publish a gap event, for a change whose event could not be built: `object`, `id` or `ids`, `change` (UPDATE).

    With `swallow`: N, the next N events of the object become gap events; no id is needed then.
    """
    one = body.get("id") or body.get("record_id")
    ids = body.get("ids") or body.get("record_ids") or ([one] if one else [])
    if body.get("swallow"):
        armed = _armed(org, body, GAP, _number(body, "swallow"))
        if not ids:
            return armed
    if not ids:
        raise SalesforceError("INVALID_INPUT", "name the record: id or ids")
    return _bare(org, staff, _entity(body), [str(each) for each in ids], f"GAP_{body.get('change', 'UPDATE')}")


def overflow(org: Org, staff: Staff, body: Body) -> Body:
    """Publish an overflow event, for a transaction with too many changes: `object`.

    With `swallow`: N, the next N events of the object are lost, and each transaction leaves this one notice.
    """
    if body.get("swallow"):
        return _armed(org, body, OVERFLOW, _number(body, "swallow"))
    return _bare(org, staff, _entity(body), [OVERFLOW_ID], "GAP_OVERFLOW")


def swallow(org: Org, staff: Staff, body: Body) -> Body:
    """Lose the next events without a trace: `count` (1), `object` (all)."""
    return _armed(org, body, SILENT, _number(body, "count"))


def _armed(org: Org, body: Body, way: str, count: int) -> Body:
    name = _entity(body) if body.get("object", body.get("entity")) else ""
    org.bus.swallows = [each for each in org.bus.swallows if each.left]
    org.bus.swallows.append(Swallow(name, count, way))
    return {"object": name or "*", "swallow": count}


def _number(body: Body, name: str) -> int:
    number = body.get(name, 1)
    if not isinstance(number, int) or isinstance(number, bool) or number < 1:
        raise SalesforceError("INVALID_INPUT", f"{name} must be a whole number from 1")
    return number


def spoil(org: Org, staff: Staff, body: Body) -> Body:
    """`how` (truncated), `count` (1), `object` (all): the next events are damaged for good."""
    how, name = str(body.get("how", SPOILS[0])), _entity(body) if body.get("object") else ""
    if how not in SPOILS:
        raise SalesforceError("INVALID_INPUT", f"how must be one of {', '.join(SPOILS)}")
    org.bus.spoils = [each for each in org.bus.spoils if each.left]
    org.bus.spoils.append(Spoil(name, _number(body, "count"), how))
    return {"object": name or "*", "how": how}


def expire_replay(org: Org, staff: Staff, body: Body) -> Body:
    """Every replay id given out so far becomes unknown; open streams end."""
    org.revision += 1
    org.bus.forget()
    org.bus.abort_streams("service.unavailable")
    return {"expired": True}


def duplicate(org: Org, staff: Staff, body: Body) -> Body:
    """`topic`, `count` (1): the latest events again, with the same ids and new replay ids."""
    count = int(body.get("count", 1))
    chosen = [str(body["topic"])] if body.get("topic") else list(org.bus.topics)
    repeated = 0
    for topic in chosen:
        for event in org.bus.topics[topic].events[-count:]:
            org.bus.topics[topic].append(event)
            repeated += 1
    org.revision += 1
    org.bus.wake()
    return {"repeated": repeated}


def disconnect(org: Org, staff: Staff, body: Body) -> Body:
    """`code` (service.unavailable): every open stream ends with this error code."""
    code = str(body.get("code", "service.unavailable"))
    streams = len(org.bus.listeners)
    org.bus.abort_streams(code)
    return {"streams": streams, "code": code}


def silence(org: Org, staff: Staff, body: Body) -> Body:
    """`seconds` (10): streams stay open but carry nothing, not even keepalives."""
    seconds = float(body.get("seconds", 10))
    org.bus.fall_silent(seconds)
    return {"seconds": seconds}


def schema_bump(org: Org, staff: Staff, body: Body) -> Body:
    """`object`, `field`: an administrator adds a text field, so further events carry a new schema."""
    name = _entity(body)
    added = str(body.get("field", f"Added_{len(org.objects[name].fields)}__c"))
    if added in org.objects[name].by_name:
        raise SalesforceError("INVALID_INPUT", f"{name} has a field {added} already")
    return {"object": name, "field": added, "schema_id": org.add_field(name, Field(added, "string")).id}


KINDS: dict[str, Callable[[Org, Staff, Body], Body]] = {
    "gap": gap,
    "overflow": overflow,
    "swallow": swallow,
    "spoil": spoil,
    "expire_replay": expire_replay,
    "duplicate": duplicate,
    "disconnect": disconnect,
    "silence": silence,
    "schema_bump": schema_bump,
}
