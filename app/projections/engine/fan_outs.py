"""Fan-outs: rows that refer to one changed record, recomputed in the background when there are very many.

A renamed product affects every order that names it. A few are recomputed in the commit that renames it; very many are
left to a worker, in chunks, each of which locks its accounts only while it runs.

Reads: mirror.records, ingest.fanouts. Writes: ingest.fanouts and, through the engine, the read model's rows.
"""

from collections.abc import AsyncIterator, Sequence

import asyncpg
import structlog

from app.db import Db, is_outage
from app.errors import ReleaseMismatch
from app.projections.engine import recompute, referrers
from app.projections.projector import Projector

_NEXT = """
SELECT *, concat_ws(':', slice, object, record_id) AS name FROM ingest.fanouts
WHERE concat_ws(':', slice, object, record_id) <> ALL($1::text[]) ORDER BY requested_at LIMIT 1
"""

log = structlog.get_logger()


async def waiting(pool: asyncpg.Pool, limit: int) -> list[str]:
    """List the queued fan-outs, as read model, object and record id."""
    found = await pool.fetch(
        "SELECT concat_ws(':', slice, object, record_id) AS name FROM ingest.fanouts ORDER BY requested_at LIMIT $1",
        limit,
    )
    return [each["name"] for each in found]


async def run(pool: asyncpg.Pool, projectors: Sequence[Projector]) -> AsyncIterator[int]:
    """Process every queued fan-out; yield the size of each chunk. One worker at a time runs it. A fan-out that fails is
    skipped until the next run."""
    by_name = {projector.name: projector for projector in projectors}
    failed: list[str] = []
    while fan_out := await pool.fetchrow(_NEXT, failed):
        try:
            async with pool.acquire() as connection, connection.transaction():
                size = await _chunk(connection, projectors, by_name[fan_out["slice"]], fan_out)
        except Exception as error:
            if is_outage(error) or isinstance(error, ReleaseMismatch):
                raise
            log.exception("fanout_failed", **{name: fan_out[name] for name in ("slice", "object", "record_id")})
            failed.append(fan_out["name"])
            continue
        yield size


async def _next_roots(connection: Db, projector: Projector, fan_out: asyncpg.Record) -> list[str]:
    """Return the next roots that refer to the record, by whichever of the projector's lookups."""
    found: set[str] = set()
    for lookup in projector.lookups:
        if lookup.target == fan_out["object"]:
            name, cursor = fan_out["record_id"], fan_out["cursor"]
            found.update(await referrers.some(connection, projector, lookup, name, cursor, referrers.AT_ONCE))
    return sorted(found)[: referrers.AT_ONCE]


async def _chunk(connection: Db, projectors: Sequence[Projector], projector: Projector, fan_out: asyncpg.Record) -> int:
    roots = await _next_roots(connection, projector, fan_out)
    # A record that changed again meanwhile has restarted its fan-out: then the cursor must not be moved.
    same = "WHERE (slice, object, record_id, requested_at) = ($1, $2, $3, $4)"
    this = [fan_out[name] for name in ("slice", "object", "record_id", "requested_at")]
    if roots:
        await recompute.recompute(connection, projectors, projector, [("", root) for root in roots])
        await connection.execute(f"UPDATE ingest.fanouts SET cursor = $5 {same}", *this, roots[-1])
    else:
        await connection.execute(f"DELETE FROM ingest.fanouts {same}", *this)
    return len(roots)
