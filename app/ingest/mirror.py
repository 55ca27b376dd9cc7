"""The mirror: one row per upstream record, the last whole state as far as it is known.

`merge` decides, without touching the database, what one change means for one record. Any order and duplication of the
same changes ends in the same record:

    newer full      replaces                    newer partial    merges
    older anything  is dropped (stale): what came later was read or committed later

Salesforce stamps to the second, so equal versions are common. Then a change that contradicts nothing merges; a staff
change from the feed merges, because events of one record arrive in commit order; of two re-reads the later one wins;
anything else that contradicts (an echo of our own older write, a batch page, a command's read-back) is settled by
reading the record again. A partial change of a record we do not hold is read again too.

Reads and writes: mirror.records.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Literal

from msgspec import Struct

from app.events import KEYS, Change, Record
from app.ingest import erased, stages
from app.ingest.inbox import Entry

Address = tuple[str, str, str]
Verdict = Literal["applied", "unchanged", "stale", "echo", "reread"]

_LOAD = """
SELECT r.source, r.object, r.record_id, r.parent_id, r.owner_id, r.data, r.version, r.deleted,
       r.occurred_at, r.verified_at
FROM unnest($1::text[], $2::text[], $3::text[]) AS k (source, object, record_id)
CROSS JOIN LATERAL (
    SELECT * FROM mirror.records m WHERE (m.source, m.object, m.record_id) = (k.source, k.object, k.record_id) LIMIT 1
) AS r
"""
# LATERAL with a LIMIT is looked up key by key. As a plain join, a plan made while the table was empty reads all of it.
_STORE = """
INSERT INTO mirror.records (source, object, record_id, parent_id, owner_id, data, version, deleted, occurred_at,
                            verified_at)
SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::jsonb[], $7::bigint[], $8::bool[],
                     $9::timestamptz[], $10::timestamptz[])
ON CONFLICT (source, object, record_id) DO UPDATE SET
    parent_id = excluded.parent_id, owner_id = excluded.owner_id, data = excluded.data, version = excluded.version,
    deleted = excluded.deleted, occurred_at = excluded.occurred_at,
    verified_at = excluded.verified_at
"""


class Applied(Struct):
    """What a batch did to the mirror.

    Attributes:
        left: records as they were before they went to another owner or parent, or got another key, so that the rows
            that were made with them learn of it too.
        reread: entries that only a new read of their record can settle.
        outcomes: (entry id, what became of it).
    """

    changed: dict[Address, Record]
    verified: dict[Address, Record]
    left: list[Record]
    reread: list[Entry]
    outcomes: list[tuple[int, str]]


def address(of: Change | Record) -> Address:
    """The mirror's key of a change or record."""
    return of.source, of.object, of.record_id


def merge(current: Record | None, change: Change) -> tuple[Verdict, Record | None]:
    """What a change means for the record as mirrored; see the rules at the top of this module."""
    if current is None:
        return ("reread", None) if change.kind == "partial" else ("applied", _replace(None, change))
    if change.version < current.version:
        return ("echo" if change.echo else "stale"), None
    if change.version == current.version:
        return _tie(current, change)
    return _newer(current, change)


def _tie(current: Record, change: Change) -> tuple[Verdict, Record | None]:
    if change.origin == "refetch":
        older = change.read_at is not None and change.read_at < current.verified_at
        return ("stale", None) if older else _newer(current, change)
    agrees = all(current.data.get(name) == value for name, value in change.data.items())
    if change.echo:
        return ("echo" if agrees else "reread"), None
    if change.kind != "full":
        return _newer(current, change)
    return _newer(current, change) if agrees else ("reread", None)


def _newer(current: Record, change: Change) -> tuple[Verdict, Record]:
    merged = _replace(current, change)
    return ("unchanged" if _same(current, merged) else "applied"), merged


def _replace(current: Record | None, change: Change) -> Record:
    base = current.data if current else {}
    data = {**base, **change.data} if change.kind == "partial" else (change.data or base)
    return Record(
        source=change.source,
        object=change.object,
        record_id=change.record_id,
        parent_id=change.parent_id or (current.parent_id if current else None),
        owner_id=change.owner_id or (current.owner_id if current else None),
        data=data,
        version=change.version,
        deleted=change.kind == "deleted",
        occurred_at=change.occurred_at,
        verified_at=change.read_at or change.occurred_at,
    )


async def apply(connection: Any, entries: Sequence[Entry]) -> Applied:
    """Merge a batch, in order, into the mirror within the caller's transaction."""
    records = await load(connection, {address(entry.change) for entry in entries})
    before = dict(records)
    done = Applied(changed={}, verified={}, left=[], reread=[], outcomes=[])
    for entry in entries:
        where = address(entry.change)
        verdict, record = merge(records.get(where), entry.change)
        done.outcomes.append((entry.id, verdict))
        if verdict == "reread":
            done.reread.append(entry)
        if record is not None:
            if stage := stages.reached(records.get(where), record):
                records[address(stage)] = done.changed[address(stage)] = stage
            records[where] = record
            (done.changed if verdict == "applied" else done.verified)[where] = record
    done.changed = {where: records[where] for where in done.changed}
    done.verified = {where: records[where] for where in done.verified.keys() - done.changed.keys()}
    done.left = [old for where, old in before.items() if _left(old, done.changed.get(where))]
    await _without_the_erased(connection, entries, before, done)
    await store(connection, [*done.changed.values(), *done.verified.values()])
    return done


async def _without_the_erased(
    connection: Any, entries: Sequence[Entry], before: Mapping[Address, Record], done: Applied
) -> None:
    """Of erased customers only what is no person reaches the mirror, and the inbox keeps no more."""
    merged = {**before, **done.changed, **done.verified}
    owners = {entry.id: _owner(entry.change, merged.get(address(entry.change))) for entry in entries}
    gone = await erased.among(connection, owners.values())
    if not gone:
        return
    for where in [*done.changed, *done.verified]:
        if (merged[where].source, merged[where].owner_id) in gone:
            done.changed.pop(where, None)
            done.verified.pop(where, None)
            plain = erased.without_person_of(merged[where])
            # What was stripped is no change, and what was not is one, whatever the unstripped records compare to.
            (done.verified if _same(before.get(where), plain) else done.changed)[where] = plain
    await erased.forget_payloads(connection, [number for number, owner in owners.items() if owner in gone])


def _same(old: Record | None, new: Record) -> bool:
    return old is not None and (old.data, old.deleted) == (new.data, new.deleted) and not _moved(old, new)


def _owner(change: Change, record: Record | None) -> tuple[str, str | None]:
    return change.source, change.owner_id or (record.owner_id if record else None)


def _left(old: Record, new: Record | None) -> bool:
    """Whether somebody who had to do with the record as it was has not with what it is."""
    key = KEYS.get((old.source, old.object), "")
    return _moved(old, new) or (new is not None and old.data.get(key) != new.data.get(key))


def _moved(old: Record, new: Record | None) -> bool:
    return new is not None and (old.owner_id, old.parent_id) != (new.owner_id, new.parent_id)


async def load(connection: Any, addresses: Iterable[Address]) -> dict[Address, Record]:
    """The mirrored records under these keys, deleted ones included."""
    keys = list(zip(*sorted(addresses), strict=True)) or [(), (), ()]
    rows = await connection.fetch(_LOAD, *[list(key) for key in keys])
    return {(row["source"], row["object"], row["record_id"]): Record(**dict(row)) for row in rows}


async def store(connection: Any, records: Sequence[Record]) -> None:
    """Write whole records; the caller has decided that they are the newest."""
    if records:
        columns = zip(*(_columns(record) for record in records), strict=True)
        await connection.execute(_STORE, *[list(column) for column in columns])


def _columns(record: Record) -> tuple[Any, ...]:
    return (
        record.source,
        record.object,
        record.record_id,
        record.parent_id,
        record.owner_id,
        record.data,
        record.version,
        record.deleted,
        record.occurred_at,
        record.verified_at,
    )


def now() -> datetime:
    """The present instant, aware, in UTC."""
    return datetime.now(UTC)
