"""One record that a thousand rows refer to: computed again in the background, so that it starves nobody.

A renamed product touches every order that ever named it. A few are computed in the commit that renames it; very many
are left to a worker, a chunk at a time, each holding its accounts only for as long as it takes.

Reads: mirror.records, ingest.fanouts. Writes: ingest.fanouts and, through the engine, the slice's rows.
"""

from collections.abc import AsyncIterator, Sequence
from typing import Any

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


async def run(pool: asyncpg.Pool, projectors: Sequence[Projector]) -> AsyncIterator[int]:
    """Work off every fan-out that waits; yields the size of each chunk. One worker at a time does this. One that fails
    is passed by and waits for the next run."""
    slices = {projector.name: projector for projector in projectors}
    failed: list[str] = []
    while wish := await pool.fetchrow(_NEXT, failed):
        try:
            async with pool.acquire() as connection, connection.transaction():
                size = await _chunk(connection, projectors, slices[wish["slice"]], wish)
        except Exception as error:
            if is_outage(error) or isinstance(error, ReleaseMismatch):
                raise
            log.exception("fanout_failed", **{name: wish[name] for name in ("slice", "object", "record_id")})
            failed.append(wish["name"])
            continue
        yield size


async def _chunk(connection: Db, projectors: Sequence[Projector], projector: Projector, wish: Any) -> int:
    lookup = next(each for each in projector.lookups if each.target == wish["object"])
    roots = await referrers.some(connection, projector, lookup, wish["record_id"], wish["cursor"], referrers.AT_ONCE)
    # A record that changed again meanwhile has begun its fan-out anew: then the cursor is not ours to move.
    same = "WHERE (slice, object, record_id, requested_at) = ($1, $2, $3, $4)"
    this = [wish[name] for name in ("slice", "object", "record_id", "requested_at")]
    if roots:
        await recompute.recompute(connection, projectors, projector, [("", root) for root in roots])
        await connection.execute(f"UPDATE ingest.fanouts SET cursor = $5 {same}", *this, roots[-1])
    else:
        await connection.execute(f"DELETE FROM ingest.fanouts {same}", *this)
    return len(roots)
