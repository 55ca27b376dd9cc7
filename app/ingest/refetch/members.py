"""Unchanged members of a refetched list: they need no inbox entry of their own.

The list's marker names them with a digest of their data. Applying the marker verifies each member whose mirrored data
still has that digest; if another change was applied meanwhile, the list is read again.
"""

import hashlib
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from app.events import Change, Record

UNCHANGED = "unchanged"
"""Key of a marker's data: object → record id → digest. It is not mirrored."""

MemberKey = tuple[str, str, str]


def digest(data: Mapping[str, Any]) -> str:
    """Return a digest of a record's data."""
    return hashlib.blake2b(msgspec.json.encode(data, order="sorted"), digest_size=9).hexdigest()


def named(marker: Change) -> Iterator[MemberKey]:
    """Yield the members that a marker verifies; none for any other change."""
    for object_name, digests in _unchanged(marker).items():
        for record_id in digests:
            yield marker.source, object_name, record_id


def without(change: Change) -> Change:
    """Return a marker without its digests, as it is mirrored; any other change unchanged."""
    if UNCHANGED not in change.data or change.read_at is None:
        return change
    return msgspec.structs.replace(change, data={k: v for k, v in change.data.items() if k != UNCHANGED})


def verified(records: Mapping[MemberKey, Record], marker: Change) -> tuple[dict[MemberKey, Record], bool]:
    """Return the members that still match the marker, verified by it; and whether one differs without a later read."""
    found: dict[MemberKey, Record] = {}
    doubted = False
    for where in named(marker):
        held = records.get(where)
        if held is not None and held.read_at is not None and marker.read_at and held.read_at >= marker.read_at:
            continue
        if held is None or held.deleted or digest(held.data) != _unchanged(marker)[where[1]][where[2]]:
            doubted = True
        else:
            found[where] = _seen(held, marker)
    return found, doubted


def _seen(held: Record, marker: Change) -> Record:
    return msgspec.structs.replace(
        held,
        version=max(held.version, marker.version),
        read_version=max(held.read_version or 0, marker.version),
        read_at=marker.read_at,
        verified_at=max(held.verified_at, marker.occurred_at),
    )


def _unchanged(marker: Change) -> Mapping[str, Mapping[str, str]]:
    found: Mapping[str, Mapping[str, str]] = marker.data.get(UNCHANGED, {}) if marker.read_at else {}
    return found
