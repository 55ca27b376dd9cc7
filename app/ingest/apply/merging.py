"""Rules for merging one change into one mirrored record. Pure: nothing here touches the database.

The law: once the feeds are quiet and every requested read is delivered, the mirror equals the upstream, whatever the
order, duplication and timing of events and reads.

There are two kinds of change.

*Events* arrive in the upstream's order of commit. Those older than the record are dropped, newer ones merge. Salesforce
versions have a resolution of one second, so equal versions are common. On a tie, staff changes merge, because a later
event of the same second is still to come; a contradicting echo of our own write, a contradicting whole record, and a
partial change of an unknown or deleted record can only be settled by reading the record again.

*Reads* carry the instant at which they began and show the state of that instant or a later one. So a read contains
everything that was received before it began; for anything received later it is unknown:

    version above the record's            it saw something newer than everything known      replaces
    version below what a read showed      an older state                                    stale
    began before the last applied read    nothing it could add                              stale
    began after everything received       the truth, whatever its version                   replaces
    any other, with equal content                                                           unchanged
    any other, with different content     what arrived meanwhile may be missing in it       reread

`reread` is an obligation: a read that begins later must be applied. The hint that requests it is appended in the same
transaction. When its answer cannot be judged either, because more arrived meanwhile, the verdict is again `reread`;
every repetition begins later than the last arrival, so repetitions end when arrivals do.

Versions of events (commit times) and of reads (SystemModstamp, set when a transaction writes, not when it commits) are
not fully comparable: a read may have a lower version than the event it contains, so the instants decide. They come from
our own clocks (the workers' and the database's), so hosts must agree on the time to within the delay of an event. A
clock that is behind costs a repeated read.

A deletion concluded from a read has no modification time in Salesforce (version 0 here) and never raises a version, so
a living record that is read later, or an undelete event, restores the record.
"""

from datetime import datetime
from typing import Literal

from msgspec import structs

from app.events import Change, Record

MergeVerdict = Literal["applied", "unchanged", "stale", "echo", "reread"]
OUR_OWN = frozenset({"command", "portal"})
"""Origins of changes that no upstream knows; the one submitted last wins."""


def merge(current: Record | None, change: Change, received_at: datetime) -> tuple[MergeVerdict, Record | None]:
    """Merge a change, received at this instant, into the mirrored record; return the verdict and the record to store.

    With `echo` the record differs only in `heard_at`: it is stored without recomputing anything.
    """
    if change.read_at is not None:
        return _read(current, change, change.read_at)
    return _event(current, change, received_at)


def same(old: Record | None, new: Record) -> bool:
    """Return whether both have the same content, owner and parent."""
    return old is not None and (old.data, old.deleted) == (new.data, new.deleted) and not moved(old, new)


def moved(old: Record, new: Record | None) -> bool:
    """Return whether a record moved to another owner or parent."""
    return new is not None and (old.owner_id, old.parent_id) != (new.owner_id, new.parent_id)


def _read(current: Record | None, change: Change, read_at: datetime) -> tuple[MergeVerdict, Record | None]:
    merged = _merged(current, change, read_at=read_at)
    if current is None or change.version > current.version:
        return _result(current, merged)
    no_version = change.kind == "deleted" and not change.version
    if not no_version and current.read_version is not None and change.version < current.read_version:
        return "stale", None
    if (last := _last_read(current)) is not None and read_at < last:
        return "stale", None
    if current.heard_at is None or read_at > current.heard_at or same(current, merged):
        return _result(current, merged)
    return "reread", None


def _last_read(current: Record) -> datetime | None:
    """Return the start of the last applied read. For a record older than this rule only its verification is known."""
    if current.read_at is None and current.heard_at is None:
        return current.verified_at
    return current.read_at


def _event(current: Record | None, change: Change, received_at: datetime) -> tuple[MergeVerdict, Record | None]:
    merged = _merged(current, change, heard_at=received_at)
    if current is None:
        return ("reread", None) if change.kind == "partial" else ("applied", merged)
    if change.version < current.version:
        return ("echo" if change.echo else "stale"), None
    if change.kind == "partial" and current.deleted:
        return "reread", None
    if change.version > current.version or change.origin in OUR_OWN:
        return _result(current, merged)
    return _tie(current, change, merged)


def _tie(current: Record, change: Change, merged: Record) -> tuple[MergeVerdict, Record | None]:
    contradicts = current.deleted != (change.kind == "deleted") or any(
        current.data.get(name) != value for name, value in change.data.items()
    )
    if contradicts and (change.echo or change.kind == "full"):
        return "reread", None
    if change.echo:
        return "echo", structs.replace(current, heard_at=merged.heard_at)
    return _result(current, merged)


def _result(current: Record | None, merged: Record) -> tuple[MergeVerdict, Record]:
    return ("unchanged" if same(current, merged) else "applied"), merged


def _merged(
    current: Record | None, change: Change, *, read_at: datetime | None = None, heard_at: datetime | None = None
) -> Record:
    base = current.data if current else {}
    seen_at = change.read_at or change.occurred_at
    data = {**base, **change.data} if change.kind == "partial" else (change.data or base)
    return Record(
        source=change.source,
        object=change.object,
        record_id=change.record_id,
        parent_id=change.parent_id or (current.parent_id if current else None),
        owner_id=change.owner_id or (current.owner_id if current else None),
        data=data,
        version=max(change.version, current.version if current else 0),
        deleted=change.kind == "deleted",
        occurred_at=change.occurred_at,
        verified_at=max(seen_at, current.verified_at) if current else seen_at,
        read_at=_later(read_at, current.read_at if current else None),
        heard_at=_later(heard_at, current.heard_at if current else None),
        read_version=_read_version(current, change),
        stage_count=current.stage_count if current else 0,
    )


def _read_version(current: Record | None, change: Change) -> int | None:
    """Return the highest version a read showed of the living record; a restored record may have a lower one."""
    known = current.read_version if current else None
    if change.read_at is None or change.kind == "deleted":
        return known
    return max(change.version, known or change.version)


def _later(one: datetime | None, other: datetime | None) -> datetime | None:
    return max(one, other) if one and other else one or other
