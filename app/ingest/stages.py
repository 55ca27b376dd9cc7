"""Stages: the states a record went through, kept as records of their own beside it.

The mirror holds the last state of a record only, and an upstream's own history is neither streamed nor always switched
on. So whenever a change moves one of the fields below, what they say now is mirrored as a child of the record. Rows
made of them are rebuilt like any other; what happened before a record was first seen nobody can tell.
"""

from app.events import Record

STAGE = {"Order": "OrderStage"}
"""Object of Salesforce → the object its stages are mirrored as."""
STAGED = {"Order": ("Status", "Activation_Status__c", "Activation_Error_Code__c")}
"""The fields that make a stage."""


def reached(old: Record | None, new: Record) -> Record | None:
    """The stage that a record entered by becoming `new`; None when it is where it was, or is gone.

    Its id is made of the record's id and version, so that the same change makes the same stage again.
    """
    if new.object not in STAGED or new.source != "salesforce" or new.deleted:
        return None
    stage = _stage(new)
    if old is not None and stage == _stage(old):
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


def _stage(record: Record) -> dict[str, str | None]:
    return {name: record.data.get(name) for name in STAGED[record.object]}
