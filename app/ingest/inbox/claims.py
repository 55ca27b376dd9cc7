"""Claims: the next entries of a shard, in an order in which nothing overtakes what it depends on.

Reads: ingest.inbox, ingest.dead_letters.
"""

from collections.abc import Sequence
from datetime import datetime

import asyncpg
from msgspec import Struct

from app.db import Db
from app.events import Change


class InboxEntry(Struct, frozen=True, kw_only=True):
    """An inbox row on its way to the mirror.

    `ahead`: tried although older entries of its record keep failing, because it does not depend on them.
    """

    id: int
    submission: int
    attempts: int
    received_at: datetime
    change: Change
    ahead: bool = False


COVERED = """
CASE WHEN i.read_at IS NULL THEN o.version < i.version OR (o.read_at IS NULL AND o.version = i.version)
     ELSE coalesce(o.read_at <= i.read_at, o.received_at < i.read_at OR o.version < i.version) END
"""
"""SQL condition: the whole record `i` includes the older entry `o`, being a later read or a later event."""

_DUE = f"""
SELECT i.id, i.submission, i.attempts, i.received_at, held.back AS ahead, i.source, i.event_id, i.object, i.record_id,
       i.kind, i.origin, i.version, i.occurred_at, i.owner_id, i.parent_id, i.read_at, i.echo, i.data
FROM ingest.inbox i
CROSS JOIN LATERAL (
    SELECT EXISTS (SELECT FROM ingest.dead_letters d
                   WHERE d.resolved_at IS NULL
                     AND (d.source, d.object, d.record_id) = (i.source, i.object, i.record_id)) AS parked,
           EXISTS (SELECT FROM ingest.inbox e
                   WHERE e.settled_at IS NULL AND e.attempts > 0 AND e.next_attempt_at > clock_timestamp()
                     AND e.lane = i.lane AND e.id < i.id
                     AND (e.source, e.object, e.record_id) = (i.source, i.object, i.record_id)) AS postponed
    OFFSET 0) AS waits
CROSS JOIN LATERAL (SELECT waits.parked OR waits.postponed AS back OFFSET 0) AS held
WHERE i.lane = $1 AND i.shard = {{shard}} AND i.settled_at IS NULL AND i.next_attempt_at <= clock_timestamp()
  AND i.source <> ALL($4::text[])
  AND (NOT held.back OR CASE i.kind
    WHEN 'partial' THEN false
    WHEN 'hint' THEN NOT waits.postponed AND NOT EXISTS (
        SELECT FROM ingest.dead_letters d WHERE d.resolved_at IS NULL AND d.entry_id >= i.id
          AND (d.source, d.object, d.record_id) = (i.source, i.object, i.record_id))
    ELSE NOT EXISTS (SELECT FROM ingest.inbox o WHERE o.settled_at IS NULL AND o.id < i.id
                       AND (o.source, o.object, o.record_id) = (i.source, i.object, i.record_id) AND NOT ({COVERED}))
     AND NOT EXISTS (SELECT FROM ingest.dead_letters d WHERE d.resolved_at IS NULL AND d.entry_id >= i.id
                       AND (d.source, d.object, d.record_id) = (i.source, i.object, i.record_id))
    END)
ORDER BY i.id
LIMIT $3
"""
_CLAIM = _DUE.format(shard="$2")
_CLAIM_OF_MANY = f"""
SELECT due.* FROM unnest($2::smallint[]) AS s (shard) CROSS JOIN LATERAL ({_DUE.format(shard="s.shard")}) AS due
ORDER BY due.id
"""


async def claim(connection: Db, lane: str, shard: int, limit: int, without: Sequence[str] = ()) -> list[InboxEntry]:
    """Return the next open entries of a shard in order, except those of the sources `without`. The caller holds the
    shard.

    Entries wait behind a parked record and behind an older entry that waits for its next attempt, so that nothing is
    applied out of order. Those that do not depend on the older ones go `ahead`: a whole record that includes all of
    them, and a hint that requests one.
    """
    rows = await connection.fetch(_CLAIM, lane, shard, limit, list(without))
    return [_entry(row) for row in rows]


async def claim_of_many(connection: Db, lane: str, shards: Sequence[int], limit: int) -> list[InboxEntry]:
    """Return the next open entries of several shards in order, at most `limit` of each. The caller holds the shards."""
    rows = await connection.fetch(_CLAIM_OF_MANY, lane, list(shards), limit, [])
    return [_entry(row) for row in rows]


def _entry(row: asyncpg.Record) -> InboxEntry:
    fields = dict(row)
    own = {name: fields.pop(name) for name in ("id", "submission", "attempts", "received_at", "ahead")}
    return InboxEntry(change=Change(**fields), **own)
