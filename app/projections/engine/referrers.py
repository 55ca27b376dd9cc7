"""Roots that refer to changed records: a few are recomputed at once, very many in the background.

Reads: mirror.records. Writes: ingest.fanouts.
"""

from collections.abc import Sequence

from app.db import Db
from app.events import Record
from app.projections.projector import Lookup, Projector

AT_ONCE = 200
"""Most groups that a changed record affects within its own commit; also the chunk size of a fan-out."""


async def roots_referring(connection: Db, projector: Projector, changed: Sequence[Record]) -> set[str]:
    """Return the roots that refer to changed records. If more than `AT_ONCE` refer to one, queue a fan-out instead."""
    found: set[str] = set()
    for lookup in projector.lookups:
        source = lookup.source or projector.source
        targets = [each for each in changed if (each.source, each.object) == (source, lookup.target)]
        names = {name for each in targets if (name := lookup.name_of(each))}
        for name in await _referred_to(connection, projector, lookup, sorted(names)):
            roots = await some(connection, projector, lookup, name, "", AT_ONCE + 1)
            if len(roots) > AT_ONCE:
                await _queue(connection, projector, lookup, name)
            else:
                found |= set(roots)
    return found


async def _referred_to(connection: Db, projector: Projector, lookup: Lookup, names: list[str]) -> list[str]:
    """Filter the names that anything refers to, which most are not, in one query."""
    if not names:
        return []
    rows = await connection.fetch(
        "SELECT k.id FROM unnest($2::text[]) AS k (id) WHERE EXISTS (SELECT FROM mirror.records "
        f"WHERE source = $1 AND object = '{lookup.referrer}' AND data ->> '{lookup.field}' = k.id)",
        projector.source,
        names,
    )
    return [row["id"] for row in rows]


async def some(connection: Db, projector: Projector, lookup: Lookup, name: str, cursor: str, limit: int) -> list[str]:
    """Return the next roots after the cursor, in order, that refer to the record of this name."""
    root = "record_id" if lookup.referrer == projector.root else "parent_id"
    rows = await connection.fetch(
        f"SELECT DISTINCT {root} AS root FROM mirror.records "
        f"WHERE source = $1 AND object = '{lookup.referrer}' AND data ->> '{lookup.field}' = $2 AND {root} > $3 "
        f"ORDER BY {root} LIMIT $4",
        projector.source,
        name,
        cursor,
        limit,
    )
    return [row["root"] for row in rows]


async def _queue(connection: Db, projector: Projector, lookup: Lookup, name: str) -> None:
    """Queue a fan-out; restart one that is in progress, because its results are outdated."""
    await connection.execute(
        "INSERT INTO ingest.fanouts (slice, object, record_id) VALUES ($1, $2, $3) "
        "ON CONFLICT (slice, object, record_id) DO UPDATE SET cursor = '', requested_at = clock_timestamp()",
        projector.name,
        lookup.target,
        name,
    )
