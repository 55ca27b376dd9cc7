"""Conversion of change events to changes. Pure: a decoded Avro event with its schema in, changes out.

An event's header names the records and the fields; its body holds values in the event's own spelling, which this module
converts to REST's: `BillingAddress.Street` → `BillingStreet`, epoch milliseconds → date and datetime strings.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from app.events import Change, ChangeKind, milliseconds
from app.intake import text, unreadable
from app.integrations.salesforce.records import MOST_AHEAD, id_or_none, is_id, mirrored
from app.integrations.salesforce.wire import (
    CLIENT,
    ELIGIBILITY_EVENT_ACCOUNT,
    FIELDS,
    OWNER_FIELD,
    PARENT_FIELD,
)

KINDS: dict[str, ChangeKind] = {"CREATE": "full", "UNDELETE": "full", "UPDATE": "partial", "DELETE": "deleted"}
"""Everything else (GAP_*, SNAPSHOT, future kinds) is a refetch hint: the record must be read."""
WHOLE_ENTITY = "*"
OUR_ORIGIN = re.compile(rf";client={re.escape(CLIENT)}(?:[/;]|$)")

Schema = Mapping[str, Any]


def changes_of(event_id: str, schema: Schema, payload: Mapping[str, Any], received_at: datetime) -> list[Change]:
    """Return one change per record that the event names. Objects that are not mirrored yield nothing.

    An event that names its records is never lost: if anything else in it cannot be trusted, they are re-read.

    Raises:
        Exception: it does not even name its records.
    """
    header = payload.get("ChangeEventHeader")
    if header is None:
        return _platform_event(event_id, payload, received_at)
    entity = header["entityName"]
    if entity not in FIELDS:
        return []
    committed, kind, data = _told(schema, payload, header, received_at)
    echo = OUR_ORIGIN.search(str(header.get("changeOrigin") or "")) is not None
    occurred_at = committed or received_at
    return [
        Change(
            source="salesforce",
            object=entity,
            record_id=record_id,
            kind=kind,
            event_id=f"{text.clean(event_id)}:{record_id}",
            version=int(occurred_at.timestamp()) * 1000,
            occurred_at=occurred_at,
            origin="cdc",
            owner_id=record_id
            if OWNER_FIELD.get(entity) == "Id"
            else id_or_none(data.get(OWNER_FIELD.get(entity, ""))),
            parent_id=id_or_none(data.get(PARENT_FIELD.get(entity, ""))),
            echo=echo,
            data=data,
        )
        for record_id in _record_ids(header["recordIds"])
    ]


def _record_ids(named: Any) -> list[str]:
    if not isinstance(named, list | tuple):
        raise ValueError("recordIds is no list")
    return [_record_id(each) for each in named]


def _told(
    schema: Schema, payload: Mapping[str, Any], header: Mapping[str, Any], received_at: datetime
) -> tuple[datetime | None, ChangeKind, dict[str, Any]]:
    """Return the commit time and the changed data; a hint if either cannot be read."""
    try:
        committed = _instant(header["commitTimestamp"], received_at)
        kind = KINDS.get(header["changeType"], "hint")
        data = _body(schema, payload, kind, header) if kind in ("full", "partial") else {}
        if not _unreadable(schema, header, data):
            return committed, kind, text.cleaned(data)
        return committed, "hint", {}
    except Exception:  # whatever an unexpected bitmap, timestamp or type raises
        unreadable.note("salesforce", str(header["entityName"]), "event", str(header["recordIds"])[:60])
        try:
            return _instant(header["commitTimestamp"], received_at), "hint", {}
        except Exception:
            return None, "hint", {}


def _instant(milliseconds: Any, received_at: datetime) -> datetime:
    """Read a time of the event. One in the future would make every later event of the record look older, forever.

    Raises:
        Exception: it is no time, or more than `MOST_AHEAD` in the future.
    """
    at = datetime.fromtimestamp(milliseconds / 1000, UTC)
    if at > received_at + MOST_AHEAD:
        raise ValueError("a time in the future")
    return at


def _record_id(named: str) -> str:
    """Parse a record id; a wildcard (`801*`) and the all-zero id both mean the whole object."""
    if named.endswith("*") or named.startswith("000000000000000"):
        return WHOLE_ENTITY
    if not is_id(named):
        raise ValueError("a record id that is none")
    return named


def _platform_event(event_id: str, payload: Mapping[str, Any], received_at: datetime) -> list[Change]:
    """Return a refetch hint for the account that an eligibility event names."""
    account_id = payload.get(ELIGIBILITY_EVENT_ACCOUNT)
    if not account_id:
        return []
    if not is_id(account_id):
        raise ValueError("an account id that is none")
    try:
        occurred_at = _instant(payload["CreatedDate"], received_at)
    except Exception:  # absent, in the future, or beyond the calendar
        occurred_at = received_at
    return [
        Change.hint(
            "salesforce",
            "Account",
            account_id,
            event_id=f"{text.clean(event_id)}:{account_id}",
            version=milliseconds(received_at),
            occurred_at=occurred_at,
            origin="cdc",
            owner_id=account_id,
        )
    ]


def _body(schema: Schema, payload: Mapping[str, Any], kind: ChangeKind, header: Mapping[str, Any]) -> dict[str, Any]:
    changed = set(named_fields(schema, header["changedFields"])) | set(named_fields(schema, header["nulledFields"]))
    flat: dict[str, Any] = {}
    for field in schema["fields"][1:]:
        flat |= _flatten(field, payload.get(field["name"]))
    if kind == "partial":
        flat = {name: value for name, value in flat.items() if name in changed}
    return mirrored(header["entityName"], flat)


def _flatten(field: Mapping[str, Any], value: Any) -> dict[str, Any]:
    """Convert a body field to REST's spelling; a compound becomes its parts, absent parts included."""
    name, record = field["name"], _record_type(field)
    if record is None:
        return {name: _value(value, field.get("doc", ""))}
    parts = value if isinstance(value, Mapping) else {}
    return {rest_name(name, part["name"]): parts.get(part["name"]) for part in record["fields"]} | (
        {} if not isinstance(value, str) else {name: value}
    )


def rest_name(compound: str, part: str) -> str:
    """Compose `BillingAddress`, `Street` → `BillingStreet`; `Name`, `FirstName` → `FirstName`."""
    return compound.removesuffix("Address") + part if compound.endswith("Address") else part


def _value(value: Any, doc: str) -> Any:
    if value is None:
        return None
    if "DateOnly" in doc:
        return datetime.fromtimestamp(value / 1000, UTC).date().isoformat()
    if "DateTime" in doc:
        at = datetime.fromtimestamp(value / 1000, UTC)
        return f"{at:%Y-%m-%dT%H:%M:%S}.{at.microsecond // 1000:03}+0000"
    return value


def named_fields(schema: Schema, bitmaps: Sequence[str]) -> Iterator[str]:
    """Return the REST names of the fields in bitmaps: `0x…` for the record's own, `4-0x…` for parts of field 4.

    Raises:
        ValueError, IndexError: the bitmap does not fit the schema.
    """
    fields = schema["fields"]
    for bitmap in bitmaps:
        parent, dash, bits = bitmap.rpartition("-")
        if not dash:
            for index in _bits(bits):
                record = _record_type(fields[index])
                yield fields[index]["name"]
                if record:
                    yield from (rest_name(fields[index]["name"], part["name"]) for part in record["fields"])
            continue
        compound = fields[int(parent)]
        record = _record_type(compound)
        if record is None:
            raise ValueError(f"{compound['name']} has no parts")
        for index in _bits(bits):
            yield rest_name(compound["name"], record["fields"][index]["name"])


def _bits(text: str) -> Iterator[int]:
    number = int(text, 16)
    return (index for index in range(number.bit_length()) if number >> index & 1)


def _record_type(field: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Return the nested record of a field's type, if any. Names were resolved when the schema was parsed."""
    kinds = field["type"] if isinstance(field["type"], list) else [field["type"]]
    return next((kind for kind in kinds if isinstance(kind, Mapping) and kind.get("type") == "record"), None)


def _unreadable(schema: Schema, header: Mapping[str, Any], data: Mapping[str, Any]) -> bool:
    """Return true if a text came as a diff, which is not worth patching: the record is re-read instead."""
    return any(name in data for name in named_fields(schema, header["diffFields"]))
