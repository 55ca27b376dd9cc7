"""Moments of a record → rows of the timeline."""

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta
from hashlib import sha1
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import msgspec
from msgspec import Struct

from app.events import Record
from app.projections.projector import Group
from app.readmodels.timeline import Area, Entry

NAMESPACE = UUID("5e0f9c1e-6d1b-4f0c-9a41-2c8a4d1f7b66")
"""Entry ids are made under it; never change it, or every notification is new again."""
_NAMESPACE = NAMESPACE.bytes


class TimelineEvent(Struct, frozen=True, kw_only=True):
    """Something that happened to a record.

    Attributes:
        mark: tells moments of one kind apart, e.g. a payment's id; the same however often and late it is heard of.
        at: None when nobody can say, and then it is not told.
    """

    kind: str
    at: datetime | None
    text: str
    mark: str = ""
    notifies: bool = False
    reason: str | None = None


class About(Struct, frozen=True, kw_only=True):
    """What a record's moments lead to."""

    area: Area
    order_id: str | None = None
    invoice_id: str | None = None
    subscription_ids: Sequence[str] = ()
    case_id: str | None = None


def rows(group: Group, about: About, moments: Sequence[TimelineEvent]) -> list[dict[str, Any]]:
    """The rows of one record. Of moments with one kind and mark the last one counts; those of one instant stay in
    order, because upstreams tell no finer time than seconds."""
    verified_at = max(record.verified_at for record in group.records)
    told: dict[str, tuple[datetime, TimelineEvent]] = {}
    taken: Counter[datetime] = Counter()
    for each in moments:
        if each.at is not None:
            before = taken[each.at]
            taken[each.at] = before + 1
            at = each.at + timedelta(microseconds=before) if before else each.at
            told[entry_id(f"{about.area}:{group.item_id}:{each.kind}:{each.mark}")] = at, each
    return [
        {
            "entry_id": number,
            "record_id": group.item_id,
            "at": at,
            "area": about.area,
            "kind": each.kind,
            "notifies": each.notifies,
            "as_of": verified_at,
            "document": msgspec.json.encode(_entry(number, at, about, each)),
        }
        for number, (at, each) in told.items()
    ]


def entry_id(of: str) -> str:
    """`str(uuid5(NAMESPACE, of))`, in a third of the time: it is a good part of what a row of the timeline costs."""
    name = sha1(_NAMESPACE + of.encode(), usedforsecurity=False).hexdigest()
    variant = "89ab"[int(name[16], 16) & 3]
    return f"{name[:8]}-{name[8:12]}-5{name[13:16]}-{variant}{name[17:20]}-{name[20:32]}"


def _entry(number: str, at: datetime, about: About, moment: TimelineEvent) -> Entry:
    return Entry(
        entry_id=number,
        at=at,
        area=about.area,
        kind=moment.kind,
        text=moment.text,
        reason=moment.reason,
        order_id=about.order_id,
        invoice_id=about.invoice_id,
        subscription_ids=list(about.subscription_ids),
        case_id=about.case_id,
    )


def told_by_day(day: date | None, stages: Sequence[Record], zone: ZoneInfo) -> datetime | None:
    """When something happened of which the upstream keeps the day alone: when its record was first seen, if that was
    the same day, else at the day's beginning."""
    for stage in stages:
        if stage.data.get("first") and stage.occurred_at.astimezone(zone).date() == day:
            return stage.occurred_at
    return beginning_of(day, zone)


def beginning_of(day: date | None, zone: ZoneInfo) -> datetime | None:
    """The instant at which a day begins in a zone."""
    try:
        return datetime.combine(day, time(), zone).astimezone(UTC) if day else None
    except OverflowError:  # at the calendar's ends
        return None
