"""Rebuilds that somebody asked for over HTTP: a worker does them, one after the other.

Reads and writes: ingest.progress.
"""

from collections.abc import Sequence

import asyncpg

from app.ingest import progress
from app.projections.projector import Projector

PREFIX = "rebuild asked:"


async def ask(pool: asyncpg.Pool, name: str) -> None:
    """Have a slice rebuilt. Asking twice is asking once."""
    await progress.save(pool, PREFIX + name, {})


async def asked(pool: asyncpg.Pool, projectors: Sequence[Projector]) -> list[Projector]:
    """What was asked for and not done."""
    rows = await pool.fetch("SELECT operation FROM ingest.progress WHERE starts_with(operation, $1)", PREFIX)
    names = {row["operation"].removeprefix(PREFIX) for row in rows}
    return [each for each in projectors if each.name in names]


async def done(pool: asyncpg.Pool, name: str) -> None:
    """It has been rebuilt, or a person must decide whether it serves."""
    await progress.forget(pool, PREFIX + name)
