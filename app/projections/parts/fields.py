"""Reading upstream values out of mirrored records: dates, times and names as the projectors need them.

The mirror keeps rows that older releases wrote, so nothing is taken for granted here: what cannot be read is absent.
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
    """A Salesforce datetime (`2026-01-31T10:15:30.000+0000`) as an aware UTC instant; None where it cannot be read."""
    return parse.instant(value)


def local_instant(value: Any, zone: ZoneInfo) -> datetime | None:
    """A WHMCS datetime, which carries no offset, read in the server's time zone; None where it cannot be read."""
    return parse.instant(value, zone)


def day(value: Any) -> date | None:
    """A date, or the date part of a datetime; None where it cannot be read."""
    return parse.day(value)


def plain(value: Any) -> str:
    """A scalar as text; "" for none, and for what old rows may hold in its place."""
    return scalar(value)


def objects(value: Any) -> list[Mapping[str, Any]]:
    """The objects of a list within a record."""
    return [each for each in value if isinstance(each, Mapping)] if isinstance(value, list) else []


def amount(value: Any, currency: str) -> Decimal | None:
    """An amount in whole units of the currency's smallest coin; None where none can be read, which is not the same as
    nothing."""
    found = parse.money(value)
    return None if found is None else rounded(found, currency)


def added(amounts: Sequence[Decimal | None]) -> Decimal | None:
    """Their sum; None as soon as one of them is not known, because too low would be a lie."""
    known = [each for each in amounts if each is not None]
    return sum(known, Decimal()) if len(known) == len(amounts) else None


def shown(value: Decimal | None, currency: str) -> Money | None:
    """An amount as a document shows it; null where nobody knows it."""
    return None if value is None else money(value, currency)


def snake(field: str) -> str:
    """A Salesforce custom field as a key of `facts`: `VPN_Region__c` → `vpn_region`."""
    return _TAIL.sub("", field).lower()
