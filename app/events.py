"""Changes of upstream records, in one shape, whatever their source.

A `Change` describes one upstream record. `kind` says how much it knows:

    full     the whole record as the upstream holds it            `Change.whole`
    partial  only the fields that changed (CDC updates)           `Change.partial`
    deleted  the record is gone                                   `Change.gone`
    hint     the record may have changed and must be read again   `Change.hint`
"""

from datetime import datetime
from typing import Any, Literal, Required, Self, TypedDict, Unpack

from msgspec import Struct

ChangeSource = Literal["salesforce", "whmcs", "whm", "portal"]
ChangeKind = Literal["full", "partial", "deleted", "hint"]
Origin = Literal["cdc", "webhook", "command", "backfill", "reconcile", "refetch", "portal"]


KEYS = {("salesforce", "Product2"): "WH_Product_ID__c", ("salesforce", "Order"): "WHMCS_Order_ID__c"}
"""(source, object) → the field by which records of another upstream refer to a record."""


def milliseconds(instant: datetime) -> int:
    """Convert an aware instant to milliseconds since the epoch."""
    return int(instant.timestamp() * 1000)


class ChangeFacts(TypedDict, total=False):
    """The attributes that changes of every kind share. `version` defaults to `occurred_at` in milliseconds."""

    event_id: Required[str]
    occurred_at: Required[datetime]
    origin: Required[Origin]
    version: int
    owner_id: str | None
    parent_id: str | None
    read_at: datetime | None
    echo: bool


class Change(Struct, frozen=True, kw_only=True):
    """One change of one upstream record.

    Attributes:
        event_id: deduplicates within `source`; the same event seen twice has the same id.
        version: milliseconds since the epoch. Salesforce: commit time or SystemModstamp. WHMCS: the instant at which
            the read began, because it has no usable modification time.
        occurred_at: the upstream's own time of the change, for measuring lag.
        owner_id: the upstream's owner (Salesforce Account id; WHMCS client id, also for WHM) when the change names it.
        parent_id: id of the parent record (an OrderItem's Order), when the change names it.
        read_at: start of the read that returned the whole record or proved its deletion; None for events. A read shows
            the state of that instant or a later one (`app/ingest/apply/merging.py`).
        echo: true when this event reports a write of the portal itself.
        data: the record in the upstream's own field names and REST spelling; ids and money are strings for WHMCS.
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

    @classmethod
    def whole(
        cls,
        source: ChangeSource,
        object_name: str,
        record_id: str,
        data: dict[str, Any],
        **facts: Unpack[ChangeFacts],
    ) -> Self:
        """Build a change that holds the whole record."""
        return cls._of_kind("full", source, object_name, record_id, data, facts)

    @classmethod
    def partial(
        cls,
        source: ChangeSource,
        object_name: str,
        record_id: str,
        data: dict[str, Any],
        **facts: Unpack[ChangeFacts],
    ) -> Self:
        """Build a change that holds the changed fields only."""
        return cls._of_kind("partial", source, object_name, record_id, data, facts)

    @classmethod
    def gone(cls, source: ChangeSource, object_name: str, record_id: str, **facts: Unpack[ChangeFacts]) -> Self:
        """Build the deletion of a record."""
        return cls._of_kind("deleted", source, object_name, record_id, {}, facts)

    @classmethod
    def hint(
        cls,
        source: ChangeSource,
        object_name: str,
        record_id: str,
        data: dict[str, Any] | None = None,
        **facts: Unpack[ChangeFacts],
    ) -> Self:
        """Build a request to read a record again. `data`: parameters of that read."""
        return cls._of_kind("hint", source, object_name, record_id, data or {}, facts)

    @classmethod
    def _of_kind(
        cls,
        kind: ChangeKind,
        source: ChangeSource,
        object_name: str,
        record_id: str,
        data: dict[str, Any],
        facts: ChangeFacts,
    ) -> Self:
        facts.setdefault("version", milliseconds(facts["occurred_at"]))
        return cls(source=source, object=object_name, record_id=record_id, kind=kind, data=data, **facts)


class Record(Struct, frozen=True, kw_only=True):
    """A mirrored record: the last known whole state of an upstream record.

    Attributes:
        version: as in `Change`.
        occurred_at: the upstream's time of the last change.
        verified_at: when the record was last known to equal the upstream.
        read_at: start of the latest applied read; None when the record is known from events only.
        heard_at: receipt of the last event about it; None when the record is known from reads only.
        read_version: the highest version that an applied read showed of the living record.
        stage_count: how many stages it went through (`app/ingest/apply/status_history.py`).
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
    stage_count: int = 0
