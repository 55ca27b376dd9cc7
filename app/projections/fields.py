"""Reading upstream values out of mirrored records: dates, times and names as the projectors need them."""

import re
from datetime import UTC, date, datetime
from typing import Any
from zoneinfo import ZoneInfo

_TAIL = re.compile(r"__c$")


def instant(value: Any) -> datetime | None:
    """A Salesforce datetime (`2026-01-31T10:15:30.000+0000`) as an aware UTC instant."""
    return datetime.fromisoformat(value).astimezone(UTC) if value else None


def local_instant(value: Any, zone: ZoneInfo) -> datetime | None:
    """A WHMCS datetime, which carries no offset, read in the server's time zone."""
    return datetime.fromisoformat(value).replace(tzinfo=zone).astimezone(UTC) if value else None


def day(value: Any) -> date | None:
    """An ISO date, or the date part of a datetime."""
    return date.fromisoformat(str(value)[:10]) if value else None


def snake(field: str) -> str:
    """A Salesforce custom field as a key of `facts`: `VPN_Region__c` → `vpn_region`."""
    return _TAIL.sub("", field).lower()
