"""Parked records and their healing: a newer whole record makes the older entries of its record unnecessary.

Once it is applied, the older ones are settled as `superseded` and their dead letters resolved. If it fails as well, the
record stays parked, by the newer entry: one letter per record, under the number that operators know.

Writes: ingest.inbox, ingest.dead_letters.
"""

from collections.abc import Sequence

from msgspec import Struct

from app.db import Connection, Db
from app.ingest.inbox import inbox
from app.ingest.inbox.claims import COVERED, InboxEntry

WAITED_FOR = "10 minutes"
"""No caller waits longer than this for an entry to be applied."""

_KNOWS = f"CASE i.lane WHEN 'fetch' THEN o.lane = 'fetch' ELSE {COVERED} END"
"""A refetched hint supersedes older hints only: its answer is still to be applied."""

_SUPERSEDE = f"""
WITH done AS (
    UPDATE ingest.inbox o SET settled_at = clock_timestamp(), outcome = 'superseded'
    FROM ingest.inbox i
    WHERE i.id = ANY($1::bigint[]) AND o.settled_at IS NULL AND o.id < i.id
      AND (o.source, o.object, o.record_id) = (i.source, i.object, i.record_id) AND {_KNOWS}
    RETURNING o.id, o.submission
), letters AS (
    UPDATE ingest.dead_letters d SET resolution = 'superseded', resolved_at = clock_timestamp()
    FROM ingest.inbox i
    WHERE i.id = ANY($1::bigint[]) AND d.resolved_at IS NULL AND d.entry_id < i.id
      AND (d.source, d.object, d.record_id) = (i.source, i.object, i.record_id)
      AND (d.entry_id IN (SELECT id FROM done)
           OR i.lane = 'apply' AND NOT EXISTS (
               SELECT FROM ingest.inbox e WHERE e.id = d.entry_id AND e.settled_at IS NULL))
)
SELECT DISTINCT submission FROM done
"""
_OPEN_LETTERS = """
SELECT d.id FROM ingest.dead_letters d
LEFT JOIN ingest.inbox e ON e.id = d.entry_id
WHERE d.resolved_at IS NULL AND (d.source, d.object, d.record_id) = ($1, $2, $3) AND d.entry_id < $4
  AND coalesce(e.lane, 'apply') = $5
ORDER BY d.id FOR UPDATE OF d
"""
_PARK = """
INSERT INTO ingest.dead_letters (entry_id, source, object, record_id, error, stack, attempts)
VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (entry_id) DO UPDATE SET
error = excluded.error, stack = excluded.stack, attempts = excluded.attempts, parked_at = now(),
resolution = NULL, resolved_at = NULL
"""
_TAKE_OVER = """
UPDATE ingest.dead_letters SET entry_id = $2, error = $3, stack = $4, attempts = $5 WHERE id = $1
"""

_FORGET_OLD = f"""
UPDATE ingest.inbox o SET settled_at = clock_timestamp(), outcome = 'superseded'
FROM ingest.inbox i
WHERE i.id = $1 AND o.settled_at IS NULL AND o.id < i.id AND o.lane = $2
  AND (o.source, o.object, o.record_id) = (i.source, i.object, i.record_id) AND {_KNOWS}
  AND o.received_at < clock_timestamp() - interval '{WAITED_FOR}'
"""


class ParkedLetter(Struct, frozen=True):
    """Error and stack of a failed entry."""

    error: str
    stack: str


async def supersede(connection: Db, entry_ids: Sequence[int]) -> None:
    """Settle the older entries that these entries, applied ahead of them, include."""
    if entry_ids:
        rows = await connection.fetch(_SUPERSEDE, list(entry_ids))
        await inbox.settle(connection, [], [row["submission"] for row in rows])


async def park(connection: Connection, entry: InboxEntry, letter: ParkedLetter) -> None:
    """Write a dead letter for the entry: its record is parked until a newer whole record or an operator resolves it."""
    change = entry.change
    where = (change.source, change.object, change.record_id)
    async with connection.transaction():
        await connection.execute(_PARK, entry.id, *where, letter.error, letter.stack, entry.attempts + 1)
        await inbox.give_up(connection, entry.submission)


async def take_over(connection: Connection, entry: InboxEntry, letter: ParkedLetter) -> bool:
    """Transfer the open letter of a parked record to this entry, which went ahead and failed too.

    Older entries wait for the next whole record; those for which no caller can be waiting any more are settled. Returns
    False when there was no open letter.
    """
    change = entry.change
    where = (change.source, change.object, change.record_id)
    lane = inbox.lane_of(change)
    async with connection.transaction():
        rows = await connection.fetch(_OPEN_LETTERS, *where, entry.id, lane)
        if not rows:
            return False
        first, *others = [row["id"] for row in rows]
        await connection.execute("DELETE FROM ingest.dead_letters WHERE entry_id = $1 AND id <> $2", entry.id, first)
        await connection.execute(_TAKE_OVER, first, entry.id, letter.error, letter.stack, entry.attempts + 1)
        await connection.execute(
            "UPDATE ingest.dead_letters SET resolution = 'superseded', resolved_at = clock_timestamp() "
            "WHERE id = ANY($1::bigint[])",
            others,
        )
        await connection.execute(_FORGET_OLD, entry.id, lane)
        await inbox.give_up(connection, entry.submission)
    return True
