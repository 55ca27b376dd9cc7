"""Stages: the states a record went through, kept as records of their own beside it.

The mirror holds the last state of a record only, and an upstream's own history is neither streamed nor always switched
on. So whenever a change moves one of the fields below, what they say now is mirrored as a child of the record. Rows
made of them are rebuilt like any other; what happened before a record was first seen nobody can tell.
"""

from datetime import UTC, datetime, timedelta
from typing import Any

from app.events import Record
from app.intake import parse

STAGE = {"Order": "OrderStage", "invoice": "invoice_stage", "service": "service_stage"}
"""Object → the object its stages are mirrored as."""
STAGED = {
    "Order": ("Status", "Activation_Status__c", "Activation_Error_Code__c"),
    "invoice": ("status", "last_capture_attempt"),
    "service": ("status",),
}
"""The fields that make a stage."""
BORN = {"invoice": "date", "service": "regdate"}
"""Object of an upstream that does not say when a record changed → the field with the day the record is from. The state
in which such a record is first seen is a stage only while the record is new: of older ones nobody knows when."""
NEW = timedelta(hours=36)
"""A day and the widest difference of zones, roughly: the day bears no zone here."""
FIRST = "first"
"""Set in a stage that is the first sight of a record."""


def reached(old: Record | None, new: Record) -> Record | None:
    """The stage that a record entered by becoming `new`; None when it is where it was, or is gone.

    Its id is made of the record's id and version, so that the same change makes the same stage again.
    """
    if new.object not in STAGED or new.deleted:
        return None
    stage: dict[str, Any] = _stage(new)
    if old is None and new.object in BORN:
        if not _is_new(new):
            return None
        stage[FIRST] = True
    elif old is not None and stage == _stage(old):
        return None
    return Record(
        source=new.source,
        object=STAGE[new.object],
        record_id=f"{new.record_id}@{new.version}",
        parent_id=new.record_id,
        data=stage,
        version=new.version,
        occurred_at=new.occurred_at,
        verified_at=new.verified_at,
    )


def _is_new(record: Record) -> bool:
    born = parse.day(record.data.get(BORN[record.object]))
    return born is not None and abs(record.occurred_at - datetime(born.year, born.month, born.day, tzinfo=UTC)) < NEW


def _stage(record: Record) -> dict[str, str | None]:
    return {name: record.data.get(name) for name in STAGED[record.object]}
