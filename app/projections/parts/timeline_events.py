"""Events of a record → rows of the timeline."""

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
from app.readmodels.timeline import Area, StoredEntry
from app.words.sentence import Sentence

NAMESPACE = UUID("5e0f9c1e-6d1b-4f0c-9a41-2c8a4d1f7b66")
"""The namespace of entry ids. Never change it: every notification would be unread again."""
_NAMESPACE = NAMESPACE.bytes


class TimelineEvent(Struct, frozen=True, kw_only=True):
    """An event of a record.

    Attributes:
        dedup_key: distinguishes events of one kind, e.g. a payment's id; the same however often and late it is seen.
        at: None when it is unknown; such an event is not shown.
    """

    kind: str
    at: datetime | None
    text: Sentence
    dedup_key: str = ""
    notifies: bool = False
    reason: Sentence | None = None


class EventSubject(Struct, frozen=True, kw_only=True):
    """The subject of a record's events: the ids that entries link to; `billed_ids` as `StoredEntry` has them."""

    area: Area
    order_id: str | None = None
    invoice_id: str | None = None
    subscription_ids: Sequence[str] = ()
    billed_ids: Sequence[str] = ()
    case_id: str | None = None


def rows(group: Group, subject: EventSubject, events: Sequence[TimelineEvent]) -> list[dict[str, Any]]:
    """Build the rows of one record.

    Of events with one kind and dedup key the last one counts. Events of the same instant keep their order, because
    upstream times have a resolution of one second.
    """
    verified_at = max(record.verified_at for record in group.records)
    found: dict[str, tuple[datetime, TimelineEvent]] = {}
    taken: Counter[datetime] = Counter()
    for each in events:
        if each.at is not None:
            before = taken[each.at]
            taken[each.at] = before + 1
            at = each.at + timedelta(microseconds=before) if before else each.at
            found[entry_id(f"{subject.area}:{group.item_id}:{each.kind}:{each.dedup_key}")] = at, each
    return [
        {
            "entry_id": number,
            "record_id": group.item_id,
            "at": at,
            "area": subject.area,
            "kind": each.kind,
            "notifies": each.notifies,
            "as_of": verified_at,
            "document": msgspec.json.encode(_entry(number, at, subject, each)),
        }
        for number, (at, each) in found.items()
    ]


def entry_id(of: str) -> str:
    """`str(uuid5(NAMESPACE, of))`, in a third of the time: it is a large part of the cost of a timeline row."""
    name = sha1(_NAMESPACE + of.encode(), usedforsecurity=False).hexdigest()
    variant = "89ab"[int(name[16], 16) & 3]
    return f"{name[:8]}-{name[8:12]}-5{name[13:16]}-{variant}{name[17:20]}-{name[20:32]}"


def _entry(number: str, at: datetime, subject: EventSubject, event: TimelineEvent) -> StoredEntry:
    return StoredEntry(
        entry_id=number,
        at=at,
        area=subject.area,
        kind=event.kind,
        text=event.text,
        reason=event.reason,
        order_id=subject.order_id,
        invoice_id=subject.invoice_id,
        subscription_ids=list(subject.subscription_ids),
        case_id=subject.case_id,
        billed_ids=list(subject.billed_ids),
    )


def time_of_day_event(day: date | None, stages: Sequence[Record], zone: ZoneInfo) -> datetime | None:
    """Return the time of an event whose day alone is known: when its record was first seen, if that was the same day,
    otherwise the beginning of the day."""
    for stage in stages:
        if stage.data.get("first") and stage.occurred_at.astimezone(zone).date() == day:
            return stage.occurred_at
    return beginning_of(day, zone)


def beginning_of(day: date | None, zone: ZoneInfo) -> datetime | None:
    """Return the instant at which a day begins in a zone."""
    try:
        return datetime.combine(day, time(), zone).astimezone(UTC) if day else None
    except OverflowError:  # at the limits of the calendar
        return None
