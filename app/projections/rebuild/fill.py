"""Fill a generation from the mirror, in chunks, while live changes feed it too.

Each chunk is one transaction that locks its accounts as a live commit does, computes their groups from the present
mirror, and moves the cursor. So a chunk and a live change never overwrite each other with older data, and a stopped
fill resumes. No upstream is called.

Reads: mirror.records, portal.id_mappings. Writes: generations.*, read_model.documents, read_model.generations.
"""

import contextlib
from collections.abc import AsyncIterator, Sequence

import asyncpg

from app.db import Db
from app.ingest.versions import account_versions
from app.projections.engine import generations, groups, load_groups, write_rows
from app.projections.engine.generations import Generation
from app.projections.projector import Projector

CHUNK = 200


async def expected(connection: Db, projector: Projector) -> int:
    """Count the steps of a complete fill: roots, owners, or one."""
    if projector.scope == "global":
        return 1
    if projector.scope == "owner":
        return int(await connection.fetchval("SELECT count(*) FROM portal.id_mappings"))
    return int(
        await connection.fetchval(
            "SELECT count(*) FROM mirror.records WHERE source = $1 AND object = $2", projector.source, projector.root
        )
    )


async def fill(pool: asyncpg.Pool, projector: Projector, generation: Generation) -> AsyncIterator[int]:
    """Fill from the generation's cursor to the end; yield the number of steps done after each chunk."""
    cursor, filled = generation.cursor, generation.filled
    while keys := await _next(pool, projector, cursor):
        with contextlib.suppress(groups.Moved):
            async with pool.acquire() as connection, connection.transaction():
                await _fill_chunk(connection, projector, generation.generation, keys)
                await generations.mark(connection, generation, cursor=keys[-1] or "all", filled=filled + len(keys))
            cursor, filled = keys[-1] or "all", filled + len(keys)
            yield filled


async def _next(connection: Db, projector: Projector, cursor: str) -> list[str]:
    """Return the next keys after the cursor: root ids, owner ids, or the one global group."""
    if projector.scope == "global":
        return [""] if not cursor else []
    if projector.scope == "owner":
        column = groups.OWNER_COLUMN[projector.source]
        found = await connection.fetch(
            f"SELECT {column} AS key FROM portal.id_mappings WHERE {column} > $1 ORDER BY 1 LIMIT $2", cursor, CHUNK
        )
    else:
        found = await connection.fetch(
            "SELECT record_id AS key FROM mirror.records WHERE source = $1 AND object = $2 AND record_id > $3 "
            "ORDER BY record_id LIMIT $4",
            projector.source,
            projector.root,
            cursor,
            CHUNK,
        )
    return [row["key"] for row in found]


async def _fill_chunk(connection: Db, projector: Projector, generation: int, keys: Sequence[str]) -> None:
    """Compute some groups while their accounts are locked against other projections.

    Raises:
        Moved: a group moved to another account before that was locked; the chunk must be tried again.
    """
    wanted = [("", key) if projector.scope == "record" else (key, "") for key in keys]
    plan = await groups.plan(connection, projector, wanted)
    held = await account_versions.hold(connection, {account for _, account in plan.values()})
    if await groups.plan(connection, projector, wanted) != plan:
        raise groups.Moved
    if plan:
        (found,) = await load_groups.load(connection, [(projector, plan)])
        await write_rows.write(connection, projector, generation, write_rows.compute(projector, found, held))
