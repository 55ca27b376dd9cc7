"""What happened upstream, in one shape, whatever brought the news.

A `Change` speaks of one upstream record. `kind` says how much it knows:

    full     the whole record as the upstream holds it
    partial  only the fields that changed (CDC updates); they merge into the mirrored record
    deleted  the record is gone
    hint     the record may have changed; it must be read again before anything is believed
"""

from datetime import datetime
from typing import Any, Literal

from msgspec import Struct

ChangeSource = Literal["salesforce", "whmcs", "portal"]
ChangeKind = Literal["full", "partial", "deleted", "hint"]
Origin = Literal["cdc", "webhook", "command", "backfill", "reconcile", "refetch", "portal"]


KEYS = {("salesforce", "Product2"): "WH_Product_ID__c"}
"""(source, object) → the field by which records of another upstream name a record."""


class Change(Struct, frozen=True, kw_only=True):
    """One change of one upstream record.

    Attributes:
        event_id: deduplicates within `source`; the same event seen twice has the same id.
        version: milliseconds since the epoch. Salesforce: commit time or SystemModstamp. WHMCS: the instant at which
            the read began, because it has no usable modification stamp.
        occurred_at: the upstream's own time of the change, for measuring lag.
        owner_id: the upstream's owner (Salesforce Account id, WHMCS client id) when the change names it.
        parent_id: id of the record this one hangs on (an OrderItem's Order), when the change names it.
        read_at: when the read began that gave a whole record or showed its deletion; None for events. What it saw is
            that instant's state or a later one (`app/ingest/apply/merging.py`).
        echo: true when the portal itself made the write that this event reports.
        data: the record in the upstream's own field names, REST spelling, ids and money as strings where WHMCS is the
            source.
    """

    source: ChangeSource
    object: str
    record_id: str
    kind: ChangeKind
    event_id: str
    version: int
    occurred_at: datetime
    origin: Origin
    data: dict[str, Any] = {}
    owner_id: str | None = None
    parent_id: str | None = None
    read_at: datetime | None = None
    echo: bool = False


class Record(Struct, frozen=True, kw_only=True):
    """One mirrored record: the last whole state of an upstream record, as far as it is known.

    Attributes:
        version: as in `Change`.
        occurred_at: the upstream's time of the last change.
        verified_at: when the record was last known to equal the upstream.
        read_at: when the latest of the applied reads began; None when it is known from events only.
        heard_at: when the last event about it was received; None when it is known from reads only.
        read_version: the highest version that an applied read showed of the living record.
    """

    source: str
    object: str
    record_id: str
    version: int
    occurred_at: datetime
    verified_at: datetime
    data: dict[str, Any]
    owner_id: str | None = None
    parent_id: str | None = None
    deleted: bool = False
    read_at: datetime | None = None
    heard_at: datetime | None = None
    read_version: int | None = None
