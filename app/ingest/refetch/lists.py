"""Whole WHMCS lists, compared with the mirror.

Members that differ are changes. Unchanged ones are named in the list's marker (`members`). A missing member proves
nothing: members that can be read alone are requested (a bounded number, those verified longest ago first; the rest with
the next read of the list), the others are deleted when a second read of the list lacks them too. An incomplete list
proves nothing and yields no marker.

Reads: mirror.records.
"""

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

import structlog
from msgspec import Struct

from app.clock import now
from app.db import Db
from app.errors import UpstreamNotFound
from app.events import Change, Record, milliseconds
from app.ingest.apply import mirror
from app.ingest.apply.merging import merge
from app.ingest.privacy import erased_owners
from app.ingest.refetch import absence, members, rereads
from app.integrations.whmcs import records as whmcs_records
from app.integrations.whmcs.client import RecordList
from app.integrations.whmcs.client import WhmcsRecord as WhmcsRecord

MOST_READ_ALONE = 20
"""Most missing members that one read of a list requests alone."""
OF_EVERYBODY = frozenset({"gateways", "products", "cancel_requests"})
"""Lists that belong to no single client."""

_KNOWN = """
SELECT record_id FROM mirror.records
WHERE source = 'whmcs' AND object = $1 AND NOT deleted AND ($2 OR owner_id = $3) AND (read_at IS NULL OR read_at < $4)
ORDER BY verified_at, record_id
"""

Read = Callable[[], Awaitable[RecordList[WhmcsRecord]]]

log = structlog.get_logger()


class ListReading(Struct, frozen=True):
    """The result of reading a list. `complete`: it is the whole list. `unread`: ids that are in it and could not be
    parsed."""

    records: Sequence[WhmcsRecord]
    complete: bool
    read_at: datetime
    unread: frozenset[str] = frozenset()


async def whole(connection: Db, hint: Change, reads: Mapping[str, Read]) -> list[Change]:
    """Read the list named by `hint` and return its changes. `reads`: kind of member → function that reads all of that
    kind. The marker holds the ids of the kind read last."""
    changes: list[Change] = []
    unchanged: dict[str, dict[str, str]] = {}
    complete, began_at, ids = True, now(), []
    for member, read in reads.items():
        listed = await _listed(read)
        complete = complete and listed.complete
        ids = sorted(record.record_id for record in listed.records)
        found = [whmcs_records.change(each, origin="refetch", read_at=listed.read_at) for each in listed.records]
        differing_members, unchanged[member] = await compared(connection, found)
        changes += differing_members
        changes += await _missing(connection, hint, member, listed, read)
    if not complete:
        log.warning("list_incomplete", object=hint.object, record_id=hint.record_id)
        return changes
    return [*changes, marker("whmcs", hint.object, hint.record_id, ids, began_at, unchanged)]


async def _listed(read: Read) -> ListReading:
    read_at = now()
    try:
        found = await read()
    except UpstreamNotFound as error:  # an empty list; its members are then checked one by one
        if not absence.of_client(error):
            raise
        return ListReading((), True, read_at)
    return ListReading(list(found), found.complete, read_at, frozenset(found.unread))


async def differing(connection: Db, found: Iterable[WhmcsRecord], read_at: datetime) -> list[Change]:
    """Return the members of a partial list that differ from the mirror."""
    changes = [whmcs_records.change(each, origin="refetch", read_at=read_at) for each in found]
    return (await compared(connection, changes))[0]


async def compared(connection: Db, changes: Sequence[Change]) -> tuple[list[Change], dict[str, str]]:
    """Split changes into those that differ from the mirror and digests of the rest. Erased data does not count."""
    held = await mirror.load(connection, {mirror.address(change) for change in changes})
    suspects = [change for change in changes if not _as_held(held, change)]
    plain = {mirror.address(change): change for change in await erased_owners.stripped(connection, suspects)}
    differing = [change for change in suspects if not _as_held(held, plain[mirror.address(change)])]
    out = {mirror.address(change) for change in differing}
    unchanged = {
        change.record_id: members.digest(held[where].data)
        for change in changes
        if (where := mirror.address(change)) not in out
    }
    return differing, unchanged


def _as_held(held: Mapping[mirror.RecordAddress, Record], change: Change) -> bool:
    """Return whether the mirror has the same content, or a later read."""
    known = held.get(mirror.address(change))
    return known is not None and not known.deleted and merge(known, change, now())[0] in ("unchanged", "stale")


async def _missing(connection: Db, hint: Change, member: str, listed: ListReading, read: Read) -> list[Change]:
    known = await connection.fetch(_KNOWN, member, hint.object in OF_EVERYBODY, hint.record_id, listed.read_at)
    missing = _without([row["record_id"] for row in known], listed)
    if not missing or not listed.complete:
        return []
    if ("whmcs", member) in rereads.ONE_BY_ONE:
        return [_read_alone(hint, member, record_id, listed.read_at) for record_id in missing[:MOST_READ_ALONE]]
    again = await _listed(read)
    gone_for_good = _without(missing, again) if again.complete else []
    return [gone(hint, member, record_id, listed.read_at) for record_id in gone_for_good]


def _without(record_ids: Iterable[str], listed: ListReading) -> list[str]:
    present = {record.record_id for record in listed.records} | listed.unread
    return [record_id for record_id in record_ids if record_id not in present]


def _read_alone(hint: Change, member: str, record_id: str, read_at: datetime) -> Change:
    return Change.hint(
        hint.source,
        member,
        record_id,
        event_id=f"absent:{member}:{record_id}:{milliseconds(read_at)}",
        occurred_at=read_at,
        origin="refetch",
    )


def gone(hint: Change, object_name: str, record_id: str, read_at: datetime) -> Change:
    """Build a deletion proven by a read. Salesforce has no modification time for absent records: version 0."""
    return Change.gone(
        hint.source,
        object_name,
        record_id,
        event_id=f"refetch:{object_name}:{record_id}:gone:{milliseconds(read_at)}",
        version=0 if hint.source == "salesforce" else milliseconds(read_at),
        occurred_at=read_at,
        origin="refetch",
        read_at=read_at,
    )


def marker(
    source: Any,
    object_name: str,
    owner_id: str,
    ids: Sequence[str],
    read_at: datetime,
    unchanged: Mapping[str, Mapping[str, str]] | None = None,
) -> Change:
    """Build the marker of a list: its members' ids, and digests of those found unchanged."""
    found = {name: digests for name, digests in (unchanged or {}).items() if digests}
    return Change.whole(
        source,
        object_name,
        owner_id,
        {"ids": list(ids), **({members.UNCHANGED: found} if found else {})},
        event_id=f"refetch:{object_name}:{owner_id}:{milliseconds(read_at)}",
        occurred_at=read_at,
        origin="refetch",
        owner_id=owner_id,
        read_at=read_at,
    )
