"""The mirror: one row per upstream record, holding its last known whole state.

The rules for one change are in `merging`; this module applies a batch. A refetched list names the members it found
unchanged (`members`); it verifies them without an entry each.

Two shards may write one record: its own, and that of a list it is a member of. When the other one stored a later read
meanwhile, `Overtaken` makes the caller merge the batch again.

Reads and writes: mirror.records.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from msgspec import Struct, structs

from app.db import Db
from app.events import KEYS, Change, Record
from app.ingest.apply import status_history
from app.ingest.apply.merging import merge, moved, same
from app.ingest.inbox.claims import InboxEntry
from app.ingest.privacy import erased_owners
from app.ingest.refetch import members

RecordAddress = tuple[str, str, str]

_LOAD = """
SELECT r.source, r.object, r.record_id, r.parent_id, r.owner_id, r.data, r.version, r.deleted,
       r.occurred_at, r.verified_at, r.read_at, r.heard_at, r.read_version, r.stage_count
FROM unnest($1::text[], $2::text[], $3::text[]) AS k (source, object, record_id)
CROSS JOIN LATERAL (
    SELECT * FROM mirror.records m WHERE (m.source, m.object, m.record_id) = (k.source, k.object, k.record_id) LIMIT 1
) AS r
"""
# LATERAL with a LIMIT forces a lookup per key. A plain join planned while the table was empty scans it.
_STORE = """
INSERT INTO mirror.records (source, object, record_id, parent_id, owner_id, data, version, deleted, occurred_at,
                            verified_at, read_at, heard_at, read_version, stage_count)
SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::jsonb[], $7::bigint[], $8::bool[],
                     $9::timestamptz[], $10::timestamptz[], $11::timestamptz[], $12::timestamptz[], $13::bigint[],
                     $14::int[])
ON CONFLICT (source, object, record_id) DO UPDATE SET
    parent_id = excluded.parent_id, owner_id = excluded.owner_id, data = excluded.data, version = excluded.version,
    deleted = excluded.deleted, occurred_at = excluded.occurred_at,
    verified_at = excluded.verified_at, read_at = excluded.read_at, heard_at = excluded.heard_at,
    read_version = excluded.read_version, stage_count = excluded.stage_count
WHERE mirror.records.read_at IS NULL OR excluded.read_at >= mirror.records.read_at
"""
# Only another shard's later read can make the condition fail: merging never lowers read_at.


class Overtaken(Exception):
    """Another shard stored a later read of one of these records since they were loaded."""


class Applied(Struct):
    """The effect of a batch on the mirror.

    Attributes:
        heard: records that differ in `heard_at` only; no row depends on it.
        moved: former states of records that moved to another owner or parent, or got another key, so that the rows made
            of them are recomputed too.
        reread: entries that only a new read of their record can settle.
        outcomes: (entry id, outcome).
    """

    changed: dict[RecordAddress, Record]
    verified: dict[RecordAddress, Record]
    heard: dict[RecordAddress, Record]
    moved: list[Record]
    reread: list[InboxEntry]
    outcomes: list[tuple[int, str]]


def address(of: Change | Record) -> RecordAddress:
    """Return the mirror's key of a change or record."""
    return of.source, of.object, of.record_id


async def apply(connection: Db, entries: Sequence[InboxEntry]) -> Applied:
    """Merge a batch, in order, into the mirror within the caller's transaction.

    Raises:
        Overtaken: roll back and apply the batch again.
    """
    listed = {where for entry in entries for where in members.named(entry.change)}
    records = await load(connection, {address(entry.change) for entry in entries} | listed)
    before = dict(records)
    done = Applied(changed={}, verified={}, heard={}, moved=[], reread=[], outcomes=[])
    for entry in entries:
        _apply_one(records, entry, done)
    done.changed = {where: records[where] for where in done.changed}
    done.verified = {where: records[where] for where in done.verified.keys() - done.changed.keys()}
    done.heard = {where: records[where] for where in done.heard.keys() - done.changed.keys() - done.verified.keys()}
    done.moved = [old for where, old in before.items() if _moved(old, done.changed.get(where))]
    await _without_the_erased(connection, entries, before, done)
    await store(connection, [*done.changed.values(), *done.verified.values(), *done.heard.values()])
    return done


def _apply_one(records: dict[RecordAddress, Record], entry: InboxEntry, done: Applied) -> None:
    change = members.without(entry.change)
    where = address(change)
    verdict, record = merge(records.get(where), change, entry.received_at)
    if record is not None:
        if stage := status_history.reached(records.get(where), record):
            records[address(stage)] = done.changed[address(stage)] = stage
            record = structs.replace(record, stage_count=record.stage_count + 1)
        records[where] = record
        {"applied": done.changed, "echo": done.heard}.get(verdict, done.verified)[where] = record
    if change is not entry.change and verdict != "stale":
        verified, doubted = members.verified(records, entry.change)
        records.update(verified)
        done.verified.update(verified)
        verdict = "reread" if doubted else verdict
    if verdict == "reread":
        done.reread.append(entry)
    done.outcomes.append((entry.id, verdict))


async def _without_the_erased(
    connection: Db, entries: Sequence[InboxEntry], before: Mapping[RecordAddress, Record], done: Applied
) -> None:
    """Strip personal data of erased customers from the batch, and empty their inbox entries."""
    merged = {**before, **done.changed, **done.verified}
    owners = {entry.id: _owner(entry.change, merged.get(address(entry.change))) for entry in entries}
    gone = await erased_owners.among(connection, owners.values())
    if not gone:
        return
    for where in [*done.changed, *done.verified]:
        if (merged[where].source, merged[where].owner_id) in gone:
            done.changed.pop(where, None)
            done.verified.pop(where, None)
            plain = erased_owners.without_person_of(merged[where])
            # Stripped content decides whether the record changed, whatever the unstripped records compare to.
            (done.verified if same(before.get(where), plain) else done.changed)[where] = plain
    await erased_owners.forget_payloads(connection, [number for number, owner in owners.items() if owner in gone])


def _owner(change: Change, record: Record | None) -> tuple[str, str | None]:
    return change.source, change.owner_id or (record.owner_id if record else None)


def _moved(old: Record, new: Record | None) -> bool:
    """Return whether the record moved to another owner or parent, or is referred to by another key."""
    key = KEYS.get((old.source, old.object), "")
    return moved(old, new) or (new is not None and old.data.get(key) != new.data.get(key))


async def load(connection: Db, addresses: Iterable[RecordAddress]) -> dict[RecordAddress, Record]:
    """Load the mirrored records under these keys, deleted ones included."""
    keys = list(zip(*sorted(addresses), strict=True)) or [(), (), ()]
    rows = await connection.fetch(_LOAD, *[list(key) for key in keys])
    return {(row["source"], row["object"], row["record_id"]): Record(**dict(row)) for row in rows}


async def store(connection: Db, records: Sequence[Record]) -> None:
    """Write whole records that the caller has merged.

    Raises:
        Overtaken: a later read of one of them is stored already.
    """
    if records:
        columns = zip(*(_columns(record) for record in records), strict=True)
        done = await connection.execute(_STORE, *[list(column) for column in columns])
        if int(done.rpartition(" ")[2]) < len(records):
            raise Overtaken


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
        record.read_at,
        record.heard_at,
        record.read_version,
        record.stage_count,
    )
