"""Turning the rows a transaction touched into change events on the bus."""

import uuid
from dataclasses import dataclass
from typing import Any, Protocol

from sandbox.salesforce.bus.avro import bitmaps, body
from sandbox.salesforce.bus.bus import Event
from sandbox.salesforce.bus.swallowing import header_to_publish, spoilt
from sandbox.salesforce.org.org import Org
from sandbox.salesforce.org.values import Row
from sandbox.salesforce.schema.objects import CAPTURED, CHANNELS, entity_topic

UNTOLD = frozenset({"Id", "IsDeleted", "SystemModstamp", "DeletedWith", "MasterRecordId"})
_UNSIGNED_CREATES = frozenset({"CreatedById", "CreatedDate", "LastModifiedById", "LastModifiedDate"})


@dataclass(frozen=True)
class Touch:
    """One write: what was there before, None for a new row."""

    name: str
    record_id: str
    before: Row | None


class Author(Protocol):
    """The author of the changes: the part of a transaction that event headers carry."""

    now_ms: int
    origin: str
    user_id: str
    key: str


def publish_changes(org: Org, touches: list[Touch], author: Author) -> None:
    """One event a record, whatever happened to it in between: first state against last.

    Entities that are not captured still take a sequence number, so sequences have holes, as the vendor's have.
    """
    org.commit_number += 1
    firsts: dict[tuple[str, str], Row | None] = {}
    for touch in touches:
        firsts.setdefault((touch.name, touch.record_id), touch.before)
    sequence = 0
    for (name, record_id), before in firsts.items():
        kind = _change_type(before, org.get(name, record_id))
        if kind is None:
            continue
        sequence += 1
        if name in CAPTURED:
            header = header_of(org, name, [record_id], kind, author, sequence)
            _publish_row(org, name, header, before, org.get(name, record_id) or {})
    org.bus.wake()


def _change_type(before: Row | None, after: Row | None) -> str | None:
    was, is_now = bool(before and not before["IsDeleted"]), bool(after and not after["IsDeleted"])
    if was and is_now:
        return "UPDATE"
    if was:
        return "DELETE"
    if is_now:
        return "UNDELETE" if before else "CREATE"
    return None


def _publish_row(org: Org, name: str, header: dict[str, Any], before: Row | None, after: Row) -> None:
    schema, sobject, kind = org.schemas[name], org.objects[name], header["changeType"]
    record: dict[str, Any] = {}
    if kind in ("CREATE", "UNDELETE"):
        record = body(sobject, after)
        if name == "PricebookEntry" and kind == "CREATE":
            record |= dict.fromkeys(_UNSIGNED_CREATES)
    elif kind == "UPDATE":
        before = before or {}
        changed = {key for key in after if after[key] != before.get(key)} - UNTOLD | {"LastModifiedDate"}
        nulled = {key for key in changed if after[key] is None}
        record = body(sobject, after, changed)
        header["changedFields"] = bitmaps(schema, sobject, changed)
        header["nulledFields"] = bitmaps(schema, sobject, nulled)
    publish(org, name, header, record, author_ms=header["commitTimestamp"])


def header_of(org: Org, name: str, ids: list[str], kind: str, author: Author, sequence: int = 1) -> dict[str, Any]:
    """Return the header of an event that has no changed fields yet."""
    return {
        "entityName": name,
        "recordIds": ids,
        "changeType": kind,
        "changeOrigin": author.origin,
        "transactionKey": author.key,
        "sequenceNumber": sequence,
        "commitTimestamp": author.now_ms,
        "commitNumber": org.commit_number,
        "commitUser": author.user_id,
        "nulledFields": [],
        "diffFields": [],
        "changedFields": [],
    }


def publish(org: Org, name: str, header: dict[str, Any], record: dict[str, Any], *, author_ms: int) -> None:
    """Publish the change event of a change, unless the bus swallows or spoils it. Wakes no stream."""
    told = header_to_publish(org.bus.swallows, header)
    if told is not None:
        append(org, name, told, record if told is header else {}, author_ms=author_ms)


def append(org: Org, name: str, header: dict[str, Any], record: dict[str, Any], *, author_ms: int) -> None:
    """Encode with the entity's current schema and append to its topic and the channels."""
    schema = org.schemas[name]
    whole = {"ChangeEventHeader": header} | record
    schema_id, payload = schema.id, schema.encode(whole)
    spoil = next((each for each in org.bus.spoils if each.object in ("", name) and each.left), None)
    if spoil is not None:
        spoil.left -= 1
        schema_id, payload = spoilt(spoil.how, schema, payload, whole)
    org.bus.publish([entity_topic(name), *CHANNELS], Event(str(uuid.uuid4()), schema_id, payload, author_ms))
