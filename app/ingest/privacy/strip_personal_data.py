"""Strip personal data of erased owners from stored rows: mirrored records, inbox, dead letters.

Rows are found by owner and through parents, because an order's items name no owner. Each row is updated alone and only
if it is unchanged since it was read: a concurrent writer knows of the erasure and strips it too. All steps are
idempotent.

Reads and writes: mirror.records, ingest.inbox, ingest.dead_letters.
"""

from collections.abc import Sequence

from app.db import Db
from app.ingest.privacy.erased_owners import without_person

BATCH = 500
LONGEST_SECONDS = 600
"""The inbox is scanned: nothing else searches it by owner, so there is no index."""

MIRRORED = """
SELECT source, object, record_id FROM mirror.records WHERE owner_id = ANY($1::text[])
UNION
SELECT c.source, c.object, c.record_id FROM mirror.records p
JOIN mirror.records c ON c.source = p.source AND c.parent_id = p.record_id WHERE p.owner_id = ANY($1::text[])
"""
"""Keys of all records of these owners."""

ENTRIES = f"""
WITH mine AS MATERIALIZED ({MIRRORED})
SELECT i.id FROM ingest.inbox i JOIN mine USING (source, object, record_id)
UNION
SELECT id FROM ingest.inbox
WHERE owner_id = ANY($1::text[]) OR (source, parent_id) IN (SELECT source, record_id FROM mine)
"""
"""Ids of their inbox entries."""

LETTERS = f"""
SELECT d.id FROM ingest.dead_letters d
WHERE d.entry_id IN ({ENTRIES}) OR (d.source, d.object, d.record_id) IN ({MIRRORED})
"""
"""Ids of their dead letters."""

_RECORDS = """
SELECT r.source, r.object, r.record_id, r.data FROM mirror.records r
JOIN unnest($1::text[], $2::text[], $3::text[]) AS k (source, object, record_id) USING (source, object, record_id)
"""
_STRIP_RECORD = """
UPDATE mirror.records SET data = $5 WHERE (source, object, record_id) = ($1, $2, $3) AND data = $4
"""
_OPEN = """
SELECT id, object, data FROM ingest.inbox
WHERE id = ANY($1::bigint[]) AND settled_at IS NULL AND kind <> 'hint'
"""


async def strip(connection: Db, owner_ids: Sequence[str]) -> list[int]:
    """Strip everything; return the dead letters that can no longer be retried."""
    await mirror(connection, owner_ids)
    given_up = await dead_letters(connection, owner_ids)
    await inbox(connection, owner_ids)
    return given_up


async def mirror(connection: Db, owner_ids: Sequence[str]) -> None:
    """Strip the mirrored records of these owners."""
    keys = await connection.fetch(MIRRORED, list(owner_ids), timeout=LONGEST_SECONDS)
    for start in range(0, len(keys), BATCH):
        columns = [list(column) for column in zip(*keys[start : start + BATCH], strict=True)]
        for row in await connection.fetch(_RECORDS, *columns):
            plain = without_person(row["object"], row["data"])
            if plain != row["data"]:
                await connection.execute(_STRIP_RECORD, *row.values(), plain)


async def inbox(connection: Db, owner_ids: Sequence[str]) -> None:
    """Empty settled entries and strip open ones. Open hints stay, because they only name records; those of unstorable
    changes lose their payload.
    """
    rows = await connection.fetch(ENTRIES, list(owner_ids), timeout=LONGEST_SECONDS)
    ids = [row["id"] for row in rows]
    for start in range(0, len(ids), BATCH):
        page = ids[start : start + BATCH]
        for row in await connection.fetch(_OPEN, page):
            plain = without_person(row["object"], row["data"])
            await connection.execute("UPDATE ingest.inbox SET data = $2 WHERE id = $1", row["id"], plain)
        await connection.execute(
            "UPDATE ingest.inbox SET data = '{}' WHERE id = ANY($1::bigint[]) AND settled_at IS NOT NULL", page
        )
        await connection.execute(
            "UPDATE ingest.inbox SET data = data - 'payload' WHERE id = ANY($1::bigint[]) AND object = 'unstorable'",
            page,
        )


async def dead_letters(connection: Db, owner_ids: Sequence[str]) -> list[int]:
    """Remove quoted values from errors and stacks. Return the open letters of changes with data: they can no longer be
    retried, and the changes behind them would wait, with their data, forever."""
    rows = await connection.fetch(
        "UPDATE ingest.dead_letters SET error = split_part(error, '(', 1), stack = '' "
        f"WHERE id IN ({LETTERS}) RETURNING id, resolved_at IS NULL AND NOT EXISTS "
        "(SELECT FROM ingest.inbox i WHERE i.id = entry_id AND i.kind = 'hint') AS given_up",
        list(owner_ids),
        timeout=LONGEST_SECONDS,
    )
    return [row["id"] for row in rows if row["given_up"]]
