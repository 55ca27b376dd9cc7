"""Drift: records of an upstream that the mirror holds differently.

Reads: mirror.records, ingest.inbox, ingest.dead_letters.
"""

from collections.abc import Sequence
from datetime import timedelta

from app.clock import now
from app.db import Db
from app.events import Change, Record
from app.ingest.apply import mirror
from app.ingest.apply.merging import merge
from app.ingest.privacy import erased_owners

GRACE = timedelta(seconds=30)
"""A change this recent may still be on its way."""


async def differing_from(connection: Db, changes: Sequence[Change]) -> list[Change]:
    """Return the whole records that differ from the mirror, unless an open entry explains it."""
    held = await mirror.load(connection, {mirror.address(change) for change in changes})
    suspects = [change for change in changes if not agrees(held.get(mirror.address(change)), change)]
    if suspects:
        plain = await erased_owners.stripped(connection, suspects)
        suspects = [change for change in plain if not agrees(held.get(mirror.address(change)), change)]
    if not suspects:
        return []
    rows = await connection.fetch(
        "SELECT DISTINCT i.source, i.object, i.record_id FROM ingest.inbox i "
        "JOIN unnest($1::text[], $2::text[], $3::text[]) AS k (source, object, record_id) "
        "USING (source, object, record_id) WHERE i.settled_at IS NULL AND NOT EXISTS ("
        "SELECT FROM ingest.dead_letters d WHERE d.resolved_at IS NULL "
        "AND (d.source, d.object, d.record_id) = (i.source, i.object, i.record_id))",
        *[list(column) for column in zip(*(mirror.address(change) for change in suspects), strict=True)],
    )
    in_flight = {tuple(row) for row in rows}
    latest = now() - GRACE
    return [
        change
        for change in suspects
        if mirror.address(change) not in in_flight and (change.source == "whmcs" or change.occurred_at < latest)
    ]


def agrees(held: Record | None, change: Change) -> bool:
    """Return whether merging the read would leave the mirror unchanged. A read that cannot be judged, because something
    arrived since it began, is not drift."""
    return (held is None and change.kind == "deleted") or merge(held, change, now())[0] != "applied"
