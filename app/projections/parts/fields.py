"""Parsing of upstream values in mirrored records: dates, times, amounts and names.

The mirror holds rows written by older releases, so no format is guaranteed: an unreadable value counts as absent.
"""

import re
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from app.intake import parse
from app.intake.text import scalar
from app.money import Money, money, rounded

_TAIL = re.compile(r"__c$")


def instant(value: Any) -> datetime | None:
    """Parse a Salesforce datetime (`2026-01-31T10:15:30.000+0000`) to an aware UTC instant; None when unreadable."""
    return parse.instant(value)


def local_instant(value: Any, zone: ZoneInfo) -> datetime | None:
    """Parse a WHMCS datetime, which has no offset, in the server's time zone; None when unreadable."""
    return parse.instant(value, zone)


def day(value: Any) -> date | None:
    """Parse a date, or the date part of a datetime; None when unreadable."""
    return parse.day(value)


def plain(value: Any) -> str:
    """Return a scalar as text; "" for none, or for a structure of an old row."""
    return scalar(value)


def objects(value: Any) -> list[Mapping[str, Any]]:
    """Return the objects of a list within a record."""
    return [each for each in value if isinstance(each, Mapping)] if isinstance(value, list) else []


def amount(value: Any, currency: str) -> Decimal | None:
    """Parse an amount and round it to the currency's smallest unit; None when unreadable, which is not zero."""
    found = parse.money(value)
    return None if found is None else rounded(found, currency)


def added(amounts: Sequence[Decimal | None]) -> Decimal | None:
    """Sum amounts; None as soon as one is unknown, because the sum would be too low."""
    known = [each for each in amounts if each is not None]
    return sum(known, Decimal()) if len(known) == len(amounts) else None


def shown(value: Decimal | None, currency: str) -> Money | None:
    """Format an amount for a document; None when it is unknown."""
    return None if value is None else money(value, currency)


def snake(field: str) -> str:
    """Convert a Salesforce custom field to a key of `facts`: `VPN_Region__c` → `vpn_region`."""
    return _TAIL.sub("", field).lower()
