"""Field values between JSON, storage and JSON again.

Stored: datetimes as epoch milliseconds of whole seconds (the org shows no finer), dates as ISO text, numbers as float
(`int` fields as int), everything else as it is shown.
"""

import re
from datetime import UTC, date, datetime
from typing import Any

from sandbox.salesforce.org.ids import full_id
from sandbox.salesforce.rest.errors import SalesforceError, dml
from sandbox.salesforce.schema.fields import ADDRESS_PARTS, Field

Row = dict[str, Any]

_EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")


def whole_seconds(epoch_ms: int) -> int:
    """Return an instant as the org keeps it."""
    return epoch_ms - epoch_ms % 1000


def parse_datetime(value: str) -> int:
    """Return an ISO datetime with an offset (none means UTC) as epoch milliseconds of whole seconds."""
    moment = datetime.fromisoformat(value)
    return whole_seconds(int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1000))


def show_datetime(epoch_ms: int) -> str:
    """Epoch milliseconds as REST spells them: `2026-01-31T10:15:30.000+0000`."""
    return datetime.fromtimestamp(epoch_ms // 1000, UTC).strftime("%Y-%m-%dT%H:%M:%S.000+0000")


def accept(field: Field, value: Any) -> Any:
    """Return a value from a request body as it is stored.

    Raises:
        SalesforceError: JSON_PARSER_ERROR, STRING_TOO_LONG, MALFORMED_ID, INVALID_EMAIL_ADDRESS or
            INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST.
    """
    if value is None or value == "":
        return False if field.kind == "boolean" else None
    if field.kind == "boolean":
        return _boolean(value)
    if field.kind in ("int", "double", "currency", "percent"):
        return _number(field, value)
    if field.kind in ("date", "datetime"):
        return _moment(field, value)
    if not isinstance(value, str):
        if isinstance(value, dict | list):
            raise _unreadable(field, value)
        value = str(value)
    return _text(field, value)


def _boolean(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    if str(value).lower() in ("true", "false"):
        return str(value).lower() == "true"
    raise SalesforceError(
        "JSON_PARSER_ERROR", f"Cannot deserialize instance of boolean from VALUE_STRING value {value}"
    )


def _number(field: Field, value: Any) -> float | int:
    if isinstance(value, bool):
        raise _unreadable(field, value)
    try:
        number = float(value)
    except (TypeError, ValueError):
        raise _unreadable(field, value) from None
    return int(number) if field.kind == "int" else number


def _moment(field: Field, value: Any) -> str | int:
    try:
        if field.kind == "date":
            return date.fromisoformat(value[:10]).isoformat()
        return parse_datetime(value)
    except (TypeError, ValueError):
        raise _unreadable(field, value) from None


def _text(field: Field, value: str) -> str:
    if field.kind in ("reference", "id"):
        known = full_id(value)
        if known is None:
            raise dml("MALFORMED_ID", f"{field.name}: id value of incorrect type: {value}", field.name)
        return known
    if field.restricted and value not in field.values:
        message = f"{field.name}: bad value for restricted picklist field: {value}"
        raise dml("INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST", message, field.name)
    if field.kind == "email" and not _EMAIL.fullmatch(value):
        raise dml("INVALID_EMAIL_ADDRESS", f"{field.name}: invalid email address: {value}", field.name)
    size = len(value.encode("utf-8", "surrogatepass")) if field.in_bytes else len(value)
    if field.kind != "base64" and size > field.length:
        message = f"{field.name}: data value too large: {value[:40]} (max length={field.length})"
        raise dml("STRING_TOO_LONG", message, field.name)
    return value


def _unreadable(field: Field, value: Any) -> SalesforceError:
    kind = "VALUE_STRING" if isinstance(value, str) else "START_OBJECT" if isinstance(value, dict) else "VALUE"
    return SalesforceError(
        "JSON_PARSER_ERROR", f"Cannot deserialize instance of {field.kind} from {kind} value {value}"
    )


def show(field: Field, row: Row) -> Any:
    """Return a row's field as REST and query results spell it."""
    if field.kind == "address":
        return show_address(field, row)
    if field.kind == "base64":
        return f"/services/data/v66.0/sobjects/ContentVersion/{row['Id']}/{field.name}"
    value = row.get(field.name)
    if value is None:
        return False if field.kind == "boolean" else None
    return show_datetime(value) if field.kind == "datetime" else value


def show_address(field: Field, row: Row) -> Row | None:
    """Return the read-only compound of the address parts, None when all are empty."""
    stem = field.name.removesuffix("Address")
    names = [part for part, _ in ADDRESS_PARTS] + ["Latitude", "Longitude"]
    parts = {name[0].lower() + name[1:]: row.get(stem + name) for name in names}
    if stem + "CountryCode" in row:
        parts |= {"stateCode": row.get(stem + "StateCode"), "countryCode": row.get(stem + "CountryCode")}
    return parts | {"geocodeAccuracy": None} if any(value is not None for value in parts.values()) else None


def row_url(version: str, name: str, record_id: str) -> str:
    """Return the path of a row in one API version (`66.0`)."""
    return f"/services/data/v{version}/sobjects/{name}/{record_id}"
