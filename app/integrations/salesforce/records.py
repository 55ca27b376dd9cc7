"""Conversion of REST records to changes."""

import hashlib
import re
from base64 import b64encode
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, TypeGuard

import msgspec

from app.errors import UpstreamMalformed
from app.events import Change, Origin, milliseconds
from app.intake import parse, text, unreadable
from app.integrations.salesforce.faults import SALESFORCE
from app.integrations.salesforce.wire import FIELDS, MAY_LACK, OWNER_FIELD, PARENT_FIELD

_STAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d")
MOST_AHEAD = timedelta(days=1)
"""By how much the org's clock may be before ours."""


def change(object_name: str, record: dict[str, Any], *, origin: Origin, read_at: datetime) -> Change:
    """Convert a whole record, as of its SystemModstamp.

    Every read is an event of its own: the same version, read again, may repair a damaged or missed one.

    Raises:
        UpstreamMalformed: its id or timestamp cannot be read, so that its order is unknown; or it lacks fields, which
            would look empty.
    """
    whole(object_name, record)
    record_id, modified = record.get("Id"), stamp_or_none(record.get("SystemModstamp"), read_at)
    if not is_id(record_id) or modified is None:
        missing = "SystemModstamp" if is_id(record_id) else "Id"
        raise UpstreamMalformed(SALESFORCE, f"read:{object_name}", f"a record without {missing} that can be read")
    version = int(modified.timestamp()) * 1000
    reading = int(read_at.timestamp() * 1_000_000)
    return Change.whole(
        "salesforce",
        object_name,
        record_id,
        mirrored(object_name, record),
        event_id=f"{origin}:{object_name}:{record_id}:{version}:{reading}",
        version=version,
        occurred_at=modified,
        origin=origin,
        owner_id=id_or_none(record.get(OWNER_FIELD.get(object_name, ""))),
        parent_id=id_or_none(record.get(PARENT_FIELD.get(object_name, ""))),
        read_at=read_at,
    )


def whole(object_name: str, record: dict[str, Any]) -> dict[str, Any]:
    """Return the record if it has every mirrored field: Salesforce answers an empty one with null.

    Raises:
        UpstreamMalformed: it lacks some.
    """
    missing = [name for name in FIELDS[object_name] if name not in record and name not in MAY_LACK]
    if missing:
        raise UpstreamMalformed(SALESFORCE, f"read:{object_name}", f"a record without {', '.join(missing)[:200]}")
    return record


def changes(object_name: str, rows: Sequence[dict[str, Any]], *, origin: Origin, read_at: datetime) -> list[Change]:
    """Convert every row of a page. An unreadable one never fails the page.

    It becomes a hint, so that the record is re-read alone; without an id it is kept for an operator.
    """
    found = []
    for row in rows:
        try:
            found.append(change(object_name, row, origin=origin, read_at=read_at))
        except UpstreamMalformed as error:
            found.append(unread(object_name, row, error.reason, origin=origin, read_at=read_at))
    return found


def unread(object_name: str, row: dict[str, Any], error: str, *, origin: Origin, read_at: datetime) -> Change:
    """Return the change that stands for an unreadable row."""
    unreadable.note(SALESFORCE, object_name, "record", str(row.get("Id"))[:18])
    if not is_id(row.get("Id")):
        payload = msgspec.json.encode(row)
        digest = hashlib.blake2b(payload, digest_size=12).hexdigest()
        return undecodable(f"rest:{object_name}:{digest}", payload, f"rest:{object_name}", error, at=read_at)
    return Change.hint(
        "salesforce",
        object_name,
        row["Id"],
        event_id=f"{origin}:{object_name}:{row['Id']}:unread:{milliseconds(read_at)}",
        occurred_at=read_at,
        origin=origin,
    )


def undecodable(name: str, payload: bytes, schema_id: str, error: str, *, at: datetime) -> Change:
    """Return the change that puts an undecodable payload into the inbox, and from there into the dead letters."""
    kept = {"schema_id": text.clean(schema_id), "error": text.clean(error), "payload": b64encode(payload).decode()}
    return Change.hint(
        "salesforce",
        "undecodable",
        name.rpartition(":")[2],
        kept,
        event_id=f"undecodable:{name}",
        occurred_at=at,
        origin="cdc",
    )


def stamp_or_none(value: object, read_at: datetime) -> datetime | None:
    """Return the instant if it can be a record's timestamp, else None.

    A timestamp that is too high would make every later read of the record look older, forever. Salesforce writes day
    and time with an offset, so a bare day (which a proxy made of it) is refused, and so is one in the future.
    """
    at = parse.instant(value) if isinstance(value, str) and _STAMP.match(value) else None
    return at if at is not None and at <= read_at + MOST_AHEAD else None


def is_id(value: object) -> TypeGuard[str]:
    """Return true if the value can be a record id."""
    return isinstance(value, str) and 0 < len(value) <= 18 and value.isascii() and value.isalnum()


def id_or_none(value: object) -> str | None:
    """Return the id, or None if it is not one."""
    return value if is_id(value) else None


def mirrored(object_name: str, record: dict[str, Any]) -> dict[str, Any]:
    """Return the mirrored fields only. Id and SystemModstamp are columns of the record; events lack them."""
    wanted = set(FIELDS[object_name]) - {"Id", "SystemModstamp"}
    return {name: value for name, value in record.items() if name in wanted}
