"""Avro schemas of change and platform events, and the bytes and bitmaps made from the same schema."""

import base64
import hashlib
import io
import json
import re
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

import fastavro

from sandbox.salesforce.org.values import Row
from sandbox.salesforce.schema.fields import Field, SObject

NAMESPACE = "com.sforce.eventbus"
CHANGE_TYPES = (
    "CREATE", "UPDATE", "DELETE", "UNDELETE", "GAP_CREATE", "GAP_UPDATE", "GAP_DELETE", "GAP_UNDELETE", "GAP_OVERFLOW",
    "SNAPSHOT",
)  # fmt: skip

_STRINGS = {"type": "array", "items": "string"}
_HEADER = {
    "name": "ChangeEventHeader",
    "doc": "Data:ComplexValueType",
    "type": {
        "type": "record",
        "name": "ChangeEventHeader",
        "fields": [
            {"name": "entityName", "type": "string"},
            {"name": "recordIds", "type": _STRINGS},
            {"name": "changeType", "type": {"type": "enum", "name": "ChangeType", "symbols": list(CHANGE_TYPES)}},
            {"name": "changeOrigin", "type": "string"},
            {"name": "transactionKey", "type": "string"},
            {"name": "sequenceNumber", "type": "int"},
            {"name": "commitTimestamp", "type": "long"},
            {"name": "commitNumber", "type": "long"},
            {"name": "commitUser", "type": "string"},
            {"name": "nulledFields", "type": _STRINGS},
            {"name": "diffFields", "type": _STRINGS},
            {"name": "changedFields", "type": _STRINGS},
        ],
    },
}
_ADDRESS_TEXTS = ("Street", "City", "State", "PostalCode", "Country", "StateCode", "CountryCode")
_ADDRESS = (*_ADDRESS_TEXTS, "Latitude", "Longitude", "GeocodeAccuracy")
_AVRO = {
    "boolean": ("boolean", "Data:Boolean"),
    "int": ("int", "Data:Integer"),
    "double": ("double", "Data:Double"),
    "currency": ("double", "Data:Currency"),
    "percent": ("double", "Data:Percent"),
    "date": ("long", "Data:DateOnly"),
    "datetime": ("long", "Data:DateTime"),
    "reference": ("string", "ForeignKey:EntityId"),
    "textarea": ("string", "Data:StringPlusClob"),
    "email": ("string", "Data:Email"),
    "phone": ("string", "Data:Phone"),
    "url": ("string", "Data:Url"),
    "multipicklist": ("string", "Data:MultiEnum"),
}


@dataclass(frozen=True)
class Schema:
    """One immutable schema: its JSON as GetSchema serves it and the id that names it."""

    json: str
    id: str
    names: tuple[str, ...]
    """The record's fields in order; a bitmap's bit i stands for `names[i]`."""

    def encode(self, record: dict[str, Any]) -> bytes:
        """Avro binary without any header."""
        try:
            return self._encoded(record)
        except UnicodeEncodeError:
            return _restored(self._encoded(_stood_in(record)))

    def _encoded(self, record: dict[str, Any]) -> bytes:
        out = io.BytesIO()
        fastavro.schemaless_writer(out, _parsed(self), record)
        return out.getvalue()

    def decode(self, payload: bytes) -> dict[str, Any]:
        """Return the record; raise an exception when the bytes are not one."""
        record = fastavro.schemaless_reader(io.BytesIO(payload), _parsed(self), None)
        assert isinstance(record, dict)
        return record


_SURROGATE = re.compile("[\ud800-\udfff]")
_STAND_IN = re.compile(b"\xee[\xa0-\xbf][\x80-\xbf]")
"""In bytes, the characters from U+E800, which are for private use and as long as a surrogate would be."""


def _stood_in(value: Any) -> Any:
    """Replace each surrogate, which no encoder accepts, by a character that stands in for it."""
    if isinstance(value, str):
        return _SURROGATE.sub(lambda found: chr(ord(found[0]) + 0x1000), value)
    if isinstance(value, dict):
        return {name: _stood_in(each) for name, each in value.items()}
    return [_stood_in(each) for each in value] if isinstance(value, list) else value


def _restored(payload: bytes) -> bytes:
    return _STAND_IN.sub(lambda found: chr(ord(found[0].decode()) - 0x1000).encode("utf-8", "surrogatepass"), payload)


_PARSED: dict[str, Any] = {}


def _parsed(schema: Schema) -> Any:
    if schema.id not in _PARSED:
        _PARSED[schema.id] = fastavro.parse_schema(json.loads(schema.json))
    return _PARSED[schema.id]


def _named(document: dict[str, Any]) -> Schema:
    text = json.dumps(document, separators=(",", ":"))
    fingerprint = hashlib.sha256(text.encode()).digest()[:16]
    identity = base64.urlsafe_b64encode(fingerprint).decode().rstrip("=")
    return Schema(text, identity, tuple(each["name"] for each in document["fields"]))


def change_schema(sobject: SObject) -> Schema:
    """Return the schema of an object's change events."""
    seen_address = False
    fields: list[dict[str, Any]] = [_HEADER]
    for number, each in enumerate(sobject.fields):
        if not each.in_events:
            continue
        fields.append(_field(each, number, "Address" if seen_address else _address_type()))
        seen_address = seen_address or each.kind == "address"
    name = sobject.name.removesuffix("__c") + ("__" if sobject.name.endswith("__c") else "") + "ChangeEvent"
    return _named({"type": "record", "name": name, "namespace": NAMESPACE, "fields": fields})


def event_schema(name: str, fields: tuple[Field, ...]) -> Schema:
    """Return the schema of a platform event."""
    envelope: list[dict[str, Any]] = [
        {"name": "CreatedDate", "type": "long", "doc": "CreatedDate:DateTime"},
        {"name": "CreatedById", "type": "string", "doc": "CreatedBy:EntityId"},
    ]
    custom = [_field(each, number, "") for number, each in enumerate(fields)]
    return _named({"type": "record", "name": name, "namespace": NAMESPACE, "fields": envelope + custom})


def _address_type() -> dict[str, Any]:
    kinds = {"Latitude": "double", "Longitude": "double"}
    children = [{"name": name, "type": ["null", kinds.get(name, "string")], "default": None} for name in _ADDRESS]
    return {"type": "record", "name": "Address", "fields": children}


def _field(each: Field, number: int, address: Any) -> dict[str, Any]:
    if each.kind == "address":
        return {"name": each.name, "type": ["null", address], "doc": "Data:Address", "default": None}
    kind, doc = _AVRO.get(each.kind, ("string", "Data:Text"))
    if each.kind == "picklist":
        doc = "Data:StaticEnum" if each.restricted else "Data:DynamicEnum"
    if each.name == "CreatedDate":
        doc = "CreatedDate:DateTime"
    if each.custom:
        doc += f":00N{number:012d}"
    return {"name": each.name, "type": ["null", kind], "doc": doc, "default": None}


def body(sobject: SObject, row: Row, only: set[str] | None = None) -> dict[str, Any]:
    """Return the event's fields: all that are populated, or the ones named in `only`."""
    values: dict[str, Any] = {}
    for each in sobject.fields:
        if not each.in_events:
            continue
        if each.kind == "address":
            values[each.name] = _address_value(each, row, only)
        elif only is None or each.name in only:
            values[each.name] = _value(each, row.get(each.name))
    return values


def _address_value(each: Field, row: Row, only: set[str] | None) -> dict[str, Any] | None:
    stem = each.name.removesuffix("Address")
    parts = {name: row.get(stem + name) for name in _ADDRESS if only is None or stem + name in only}
    if only is None and not any(value is not None for value in parts.values()):
        return None
    return {name: parts.get(name) for name in _ADDRESS} if parts else None


def _value(each: Field, stored: Any) -> Any:
    if stored is None:
        return False if each.kind == "boolean" else None
    if each.kind == "date":
        day = date.fromisoformat(stored)
        return int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp() * 1000)
    return stored


def bitmaps(schema: Schema, sobject: SObject, changed: set[str]) -> list[str]:
    """Encode the changed fields as the event header carries them: the record's map first, then one per address."""
    top = sum(1 << position for position, name in enumerate(schema.names) if name in changed)
    nested = []
    for position, name in enumerate(schema.names):
        each = sobject.by_name.get(name)
        if each is not None and each.kind == "address":
            stem = name.removesuffix("Address")
            bits = sum(1 << child for child, part in enumerate(_ADDRESS) if stem + part in changed)
            nested += [f"{position}-{_hex(bits)}"] if bits else []
    return ([_hex(top)] if top else []) + nested


def _hex(bits: int) -> str:
    digits = f"{bits:X}"
    return "0x" + digits.rjust(len(digits) + len(digits) % 2, "0")
