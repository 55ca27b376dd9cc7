"""A record as REST returns it → a change."""

from datetime import UTC, datetime
from typing import Any

from app.events import Change, Origin
from app.integrations.salesforce.wire import FIELDS, OWNER_FIELD, PARENT_FIELD


def change(object_name: str, record: dict[str, Any], *, origin: Origin, read_at: datetime) -> Change:
    """The whole record, as of its SystemModstamp. Every reading is an event of its own: the same version read again may
    heal what was damaged or missed."""
    modified = datetime.fromisoformat(record["SystemModstamp"]).astimezone(UTC)
    version = int(modified.timestamp()) * 1000
    reading = int(read_at.timestamp() * 1_000_000)
    return Change(
        source="salesforce",
        object=object_name,
        record_id=record["Id"],
        kind="full",
        event_id=f"{origin}:{object_name}:{record['Id']}:{version}:{reading}",
        version=version,
        occurred_at=modified,
        origin=origin,
        owner_id=record.get(OWNER_FIELD.get(object_name, "")),
        parent_id=record.get(PARENT_FIELD.get(object_name, "")),
        read_at=read_at,
        data=mirrored(object_name, record),
    )


def mirrored(object_name: str, record: dict[str, Any]) -> dict[str, Any]:
    """Only the fields that are mirrored. Id and SystemModstamp are the record's own columns; events lack them."""
    wanted = set(FIELDS[object_name]) - {"Id", "SystemModstamp"}
    return {name: value for name, value in record.items() if name in wanted}
