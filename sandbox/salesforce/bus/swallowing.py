"""Events that do not reach the bus as they should: swallowed with or without a notice, or spoilt.

A `Swallow` takes the next events of an object. As a `gap` each leaves a header that names its record and nothing else;
as an `overflow` each transaction leaves one notice that names no record; otherwise nothing is left. A `Spoil` damages
the next payloads for good.
"""

from dataclasses import dataclass, field
from typing import Any

from sandbox.salesforce.bus.avro import Schema

OVERFLOW_ID = "000000000000000AAA"
UNKNOWN_SCHEMA = "AAAAAAAAAAAAAAAAAAAAAA"
SPOILS = ("truncated", "bytes", "text", "schema")
GAP, OVERFLOW, SILENT = "gap", "overflow", ""


@dataclass
class Swallow:
    """The next `left` events of an object, of all objects when it is empty."""

    object: str
    left: int
    way: str = SILENT
    told: set[str] = field(default_factory=set)
    """The transactions that an overflow notice was left for."""


@dataclass
class Spoil:
    """The next `left` payloads of an object, of all objects when it is empty."""

    object: str
    left: int
    how: str


def header_to_publish(swallows: list[Swallow], header: dict[str, Any]) -> dict[str, Any] | None:
    """Return the header to publish for an event: its own, a bare one, or None for nothing."""
    swallow = next((each for each in swallows if each.object in ("", header["entityName"]) and each.left), None)
    if swallow is None:
        return header
    swallow.left -= 1
    if swallow.way == GAP:
        return gap_of(header)
    if swallow.way == OVERFLOW and header["transactionKey"] not in swallow.told:
        swallow.told.add(header["transactionKey"])
        return _bare(header) | {"recordIds": [OVERFLOW_ID], "changeType": "GAP_OVERFLOW"}
    return None


def gap_of(header: dict[str, Any]) -> dict[str, Any]:
    """Return the same change as one whose event could not be built."""
    kind = str(header["changeType"])
    return _bare(header) | {"changeType": kind if kind.startswith("GAP_") else f"GAP_{kind}"}


def _bare(header: dict[str, Any]) -> dict[str, Any]:
    return header | {"changedFields": [], "nulledFields": [], "diffFields": []}


def spoilt(how: str, schema: Schema, payload: bytes, record: dict[str, Any]) -> tuple[str, bytes]:
    """Return the schema id and the payload of an event after it was damaged.

    `text` leaves a text that is no UTF-8 in a record that can otherwise be read.
    """
    if how == "schema":
        return UNKNOWN_SCHEMA, payload
    if how == "bytes":
        return schema.id, b"\xff" * len(payload)
    if how == "text":
        name = next((name for name, value in record.items() if isinstance(value, str)), None)
        if name is not None:
            return schema.id, schema.encode(record | {name: f"{record[name]}\udcff"})
    return schema.id, payload[: len(payload) // 2]
