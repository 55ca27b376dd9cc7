"""Which roots refer to a record by its id: those of a few at once, those of very many in the background.

Reads: mirror.records. Writes: ingest.fanouts.
"""

from collections.abc import Sequence

from app.db import Db
from app.events import Record
from app.projections.projector import Lookup, Projector

AT_ONCE = 200
"""How many groups one changed record may touch within its own commit; also the size of a chunk of the rest."""


async def roots_referring(connection: Db, projector: Projector, changed: Sequence[Record]) -> set[str]:
    """The roots that refer to changed records. Where they are too many none are, and the wish is noted instead."""
    found: set[str] = set()
    for lookup in projector.lookups:
        source = lookup.source or projector.source
        targets = [each for each in changed if (each.source, each.object) == (source, lookup.target)]
        names = {name for each in targets if (name := lookup.name_of(each))}
        for name in await _referred_to(connection, projector, lookup, sorted(names)):
            roots = await some(connection, projector, lookup, name, "", AT_ONCE + 1)
            if len(roots) > AT_ONCE:
                await _postpone(connection, projector, lookup, name)
            else:
                found |= set(roots)
    return found


async def _referred_to(connection: Db, projector: Projector, lookup: Lookup, names: list[str]) -> list[str]:
    """Those that anything refers to, which most are not: all of them in one question."""
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
    """The next roots behind the cursor, in order, that refer to the record of this name."""
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


async def _postpone(connection: Db, projector: Projector, lookup: Lookup, name: str) -> None:
    """Again from the start, if one was under way: what it had done is out of date."""
    await connection.execute(
        "INSERT INTO ingest.fanouts (slice, object, record_id) VALUES ($1, $2, $3) "
        "ON CONFLICT (slice, object, record_id) DO UPDATE SET cursor = '', requested_at = clock_timestamp()",
        projector.name,
        lookup.target,
        name,
    )
