"""Generations of a read model: which exist, which serves, and the transitions between them.

    filling ──► ready ──► serving ──► retired ──► dropped
                             ▲───────────┘ rollback

Every commit feeds all that exist, so that the serving one can change at any time, in either direction. A generation is
fed by the projector of its own version. A process that finds a generation newer than its code stops feeding altogether
(`ReleaseMismatch`), because rows it left out could not be distinguished from correct ones.

Reads and writes: read_model.generations; creates and drops generations.*; replaces the views read_model.*.
"""

import asyncio
import random
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg
import structlog
from msgspec import Struct

from app.db import Db, rows
from app.errors import Conflict, ReleaseMismatch
from app.ingest.versions import account_versions, notices
from app.projections.projector import Projector

LOCK_KEY = "generations"
"""Held shared by every commit that feeds, exclusively while a generation begins or ends."""
SWAP_ATTEMPTS = 60

log = structlog.get_logger()


class Generation(Struct, frozen=True, kw_only=True):
    """A row of read_model.generations."""

    slice: str
    generation: int
    projector_version: int
    state: str
    """The state of the generation."""
    epoch: int
    """Grows when the filling begins again."""
    cursor: str
    """How far the filling has come."""
    filled: int
    """How many groups are filled."""
    expected: int
    """How many groups are to be filled."""
    report: dict[str, Any]
    """What the comparison with the serving generation found."""
    started_at: datetime
    served_at: datetime | None
    """When it began to serve; null before."""
    retired_at: datetime | None
    """When it was replaced; null while it serves or is built."""


class Target(Struct, frozen=True):
    """A generation to feed, and the projector that feeds it."""

    projector: Projector
    generation: int
    serving: bool


async def live(connection: Db, projectors: Sequence[Projector]) -> list[Target]:
    """List the generations to feed. The caller holds `LOCK_KEY`, shared, so that the list is valid until it commits.

    A generation whose projector is no longer part of the release is fed by the present one while it serves, and no
    longer fed once retired.

    Raises:
        ReleaseMismatch: a newer release has begun a generation that this one cannot feed, or none serves yet.
    """
    found = await connection.fetch("SELECT slice, generation, projector_version, state FROM read_model.generations")
    by_version = {(projector.name, projector.version): projector for projector in projectors}
    newest = {projector.name: projector for projector in sorted(projectors, key=lambda each: each.version)}
    targets = []
    for row in found:
        if row["slice"] not in newest:
            continue
        if row["projector_version"] > newest[row["slice"]].version:
            raise ReleaseMismatch(f"{row['slice']} is at projector version {row['projector_version']}")
        projector = by_version.get((row["slice"], row["projector_version"]))
        serving = row["state"] == "serving"
        if projector or serving:
            targets.append(Target(projector or newest[row["slice"]], row["generation"], serving))
    if missing := newest.keys() - {target.projector.name for target in targets if target.serving}:
        raise ReleaseMismatch(f"No generation of {', '.join(sorted(missing))} serves. Run `portal migrate`.")
    return targets


async def existing(connection: Db, name: str | None = None) -> list[Generation]:
    """List every generation, or those of one read model, oldest first."""
    return await rows(
        connection,
        Generation,
        "SELECT * FROM read_model.generations WHERE $1::text IS NULL OR slice = $1 ORDER BY slice, generation",
        name,
    )


async def serving(connection: Db, name: str) -> Generation:
    """Return the generation that answers queries."""
    return next(each for each in await existing(connection, name) if each.state == "serving")


async def begin(pool: asyncpg.Pool, projector: Projector) -> Generation:
    """Create an empty generation, which every commit from now on feeds."""
    async with pool.acquire() as connection, connection.transaction():
        await _lock_exclusively(connection)
        known = await existing(connection, projector.name)
        current = next(each for each in known if each.state == "serving")
        number = known[-1].generation + 1
        table = projector.table
        await connection.execute(
            f"CREATE TABLE {table.relation(number)} (LIKE {table.relation(current.generation)} INCLUDING ALL)"
        )
        (begun,) = await rows(
            connection,
            Generation,
            "INSERT INTO read_model.generations (slice, generation, projector_version, state) "
            "VALUES ($1, $2, $3, 'filling') RETURNING *",
            projector.name,
            number,
            projector.version,
        )
    return begun


async def serve(pool: asyncpg.Pool, projector: Projector, generation: int) -> float:
    """Make a generation answer queries; return the seconds that readers waited at most.

    The view is replaced in one transaction. Readers never queue behind an analyst's long query: the attempt to lock the
    view is short, and repeated.

    Raises:
        Conflict: a long query kept the view busy the whole time.
    """
    for _ in range(SWAP_ATTEMPTS):
        try:
            async with pool.acquire() as connection, connection.transaction():
                versions = await _raise_versions(connection, projector, generation)
                started = asyncio.get_running_loop().time()
                await _swap(connection, projector, generation)
                await notices.add(connection, {(account_id, projector.name, "") for account_id in versions}, versions)
            return asyncio.get_running_loop().time() - started
        except asyncpg.LockNotAvailableError:
            await asyncio.sleep(random.uniform(0.2, 1.0))
    raise Conflict(f"A long query holds read_model.{projector.name}. End it and swap again.", code="view_busy")


async def _swap(connection: Db, projector: Projector, generation: int) -> None:
    await connection.execute("SET LOCAL lock_timeout = '300ms'")
    table = projector.table
    await connection.execute(
        f"CREATE OR REPLACE VIEW read_model.{table.name} AS SELECT * FROM {table.relation(generation)}"
    )
    await connection.execute(
        "UPDATE read_model.generations SET state = 'retired', retired_at = now() "
        "WHERE slice = $1 AND state = 'serving'",
        projector.name,
    )
    await connection.execute(
        "UPDATE read_model.generations SET state = 'serving', served_at = now(), retired_at = NULL, "
        "epoch = 1 + (SELECT max(epoch) FROM read_model.generations WHERE slice = $1) "
        "WHERE slice = $1 AND generation = $2",
        projector.name,
        generation,
    )


async def _raise_versions(connection: Db, projector: Projector, generation: int) -> Mapping[UUID, int]:
    """Give every account with rows in this generation or in the serving one its next version: what it reads may differ.

    This is done before the view is locked, because readers wait for that lock and not for these.
    """
    await connection.execute("SET LOCAL lock_timeout = '3s'")
    former = await serving(connection, projector.name)
    numbers = {generation, former.generation}
    found = await connection.fetch(
        " UNION ".join(f"SELECT account_id FROM {projector.table.relation(number)}" for number in sorted(numbers))
    )
    accounts = {row["account_id"] for row in found}
    return await account_versions.hold(connection, accounts, accounts) if accounts else {}


async def mark(connection: Db, generation: Generation, **columns: Any) -> None:
    """Save progress or an outcome in the generation's row; `columns` are column names and values."""
    sets = ", ".join(f"{name} = ${number}" for number, name in enumerate(columns, 3))
    await connection.execute(
        f"UPDATE read_model.generations SET {sets} WHERE slice = $1 AND generation = $2",
        generation.slice,
        generation.generation,
        *columns.values(),
    )


async def drop(pool: asyncpg.Pool, projector: Projector, generation: int) -> None:
    """Drop a generation that does not serve.

    Raises:
        Conflict: it serves, or a long query holds its table.
    """
    try:
        async with pool.acquire() as connection, connection.transaction():
            await connection.execute("SET LOCAL lock_timeout = '3s'")
            await _lock_exclusively(connection)
            gone = await connection.fetchval(
                "DELETE FROM read_model.generations WHERE slice = $1 AND generation = $2 AND state <> 'serving' "
                "RETURNING generation",
                projector.name,
                generation,
            )
            if gone is None:
                raise Conflict(
                    "A generation that serves, or does not exist, cannot be dropped.", code="generation_serves"
                )
            await connection.execute(
                "DELETE FROM read_model.documents WHERE slice = $1 AND generation = $2", projector.name, generation
            )
            await connection.execute(f"DROP TABLE {projector.table.relation(generation)}")
    except asyncpg.LockNotAvailableError as error:
        raise Conflict("The generation is being read. Try again in a moment.", code="view_busy") from error


async def _lock_exclusively(connection: Db) -> None:
    """Exclude every commit that feeds, until this transaction ends."""
    await connection.execute("SELECT pg_advisory_xact_lock(hashtextextended($1, 0))", LOCK_KEY)
