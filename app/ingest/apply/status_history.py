"""Stages: the states a record went through, mirrored as child records.

The mirror holds only the last state of a record, and an upstream's own history is neither streamed nor always enabled.
So whenever one of the fields below changes, their values are mirrored as a child of the record. Rows made of stages are
rebuilt like any other. What happened before a record was first seen is unknown.

Upstream times have a resolution of one second, in which an order may be approved, paused and activated. So stages are
numbered within their record.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from app.events import Record
from app.intake import parse

STAGE = {"Order": "OrderStage", "invoice": "invoice_stage", "service": "service_stage"}
"""Object → object name of its stages."""
STAGED = {
    "Order": ("Status", "Activation_Status__c", "Activation_Error_Code__c"),
    "invoice": ("status", "last_capture_attempt"),
    "service": ("status",),
}
"""The fields that make a stage."""
BORN = {"invoice": "date", "service": "regdate"}
"""Object whose upstream gives no modification time → field with the day of creation. The state in which such a record
is first seen is a stage only while the record is new; for older ones its time is unknown."""
NEW = timedelta(hours=36)
"""A day plus roughly the widest difference of time zones, because the day has no zone."""
FIRST = "first"
"""Set in the stage in which a record is first seen."""
NUMBER = "stage_number"
"""Counts the stages of a record from 1; stages from before they were numbered have none."""


def reached(old: Record | None, new: Record) -> Record | None:
    """Return the stage a record entered by becoming `new`; None when its stage is the same or the record is deleted.

    The stage's id is made of the record's id and version, and of its number, because states may share a version.
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
    number = new.stage_count + 1
    return Record(
        source=new.source,
        object=STAGE[new.object],
        record_id=f"{new.record_id}@{new.version}.{number}",
        parent_id=new.record_id,
        data={**stage, NUMBER: number},
        version=new.version,
        occurred_at=new.occurred_at,
        verified_at=new.verified_at,
    )


def in_order(stages: Sequence[Record]) -> list[Record]:
    """Sort the stages of a record from the first to the last."""
    return sorted(stages, key=lambda stage: (stage.version, stage.data.get(NUMBER, 0)))


def _is_new(record: Record) -> bool:
    born = parse.day(record.data.get(BORN[record.object]))
    return born is not None and abs(record.occurred_at - datetime(born.year, born.month, born.day, tzinfo=UTC)) < NEW


def _stage(record: Record) -> dict[str, str | None]:
    return {name: record.data.get(name) for name in STAGED[record.object]}
