"""Rebuilds requested over HTTP: a worker runs them, one after the other.

Reads and writes: ingest.progress.
"""

from collections.abc import Sequence

import asyncpg

from app.ingest import progress
from app.projections.projector import Projector

PREFIX = "rebuild asked:"


async def add(pool: asyncpg.Pool, name: str) -> None:
    """Request the rebuild of a read model. Idempotent."""
    await progress.save(pool, PREFIX + name, {})


async def pending(pool: asyncpg.Pool, projectors: Sequence[Projector]) -> list[Projector]:
    """Return the projectors whose rebuild was requested and is not done."""
    rows = await pool.fetch("SELECT operation FROM ingest.progress WHERE starts_with(operation, $1)", PREFIX)
    names = {row["operation"].removeprefix(PREFIX) for row in rows}
    return [each for each in projectors if each.name in names]


async def done(pool: asyncpg.Pool, name: str) -> None:
    """Remove a request: the read model was rebuilt, or an operator must decide whether to swap."""
    await progress.forget(pool, PREFIX + name)
