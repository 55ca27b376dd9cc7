"""Rebuild a read model without downtime: fill a new generation from the mirror, compare it, swap it in.

    begin ──► fill ──► compare ──► serve            (or stay `ready` when it differs too much)

The old generation serves until the last step and is fed until it is dropped, so `rollback` is one call. A rebuild that
was stopped, or whose process died, resumes when it is requested again.
"""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from uuid import UUID

import asyncpg
import msgspec
import structlog
from msgspec import Struct

from app import leases
from app.clock import now
from app.errors import Conflict, NotFound
from app.events import Record
from app.lock_numbers import LockSpace
from app.projections.engine import generations, recompute
from app.projections.engine.generations import Generation
from app.projections.projector import Projector
from app.projections.rebuild import compare, fill
from app.projections.rebuild.compare import Comparison
from app.projections.rebuild.pace import Pace

THRESHOLD = 0.01
KEEP = timedelta(hours=24)
"""Time for which a retired generation is fed, and a rollback possible."""

Progress = Callable[[int, int], None]
"""Called with (steps done, steps expected) after each chunk."""

log = structlog.get_logger()


class RebuildResult(Struct, frozen=True, kw_only=True):
    """The result of a rebuild."""

    slice: str
    generation: int
    serving: bool
    comparison: Comparison
    filled: int
    fill_seconds: float
    swap_seconds: float | None = None
    refusal: str | None = None


async def rebuild(
    pool: asyncpg.Pool,
    projector: Projector,
    *,
    on_progress: Progress = lambda done, expected: None,
    threshold: float = THRESHOLD,
    swap: bool = True,
    pace: Pace | None = None,
) -> RebuildResult:
    """Fill and compare a new generation, or an unfinished one, and make it serve.

    It does not serve when more than `threshold` of the rows would disappear or, with an unchanged projector version,
    change; nor when `swap` is false.

    Raises:
        Conflict: another process is rebuilding this read model.
    """
    async with _only_one(pool, projector.name):
        generation = await _open(pool, projector)
        started = now()
        filled = await _fill(pool, projector, generation, on_progress, pace or Pace())
        fill_seconds = (now() - started).total_seconds()
        async with pool.acquire() as connection:
            serving = await generations.serving(connection, projector.name)
            found = await compare.compare(connection, projector, serving.generation, generation.generation)
            await generations.mark(connection, generation, state="ready", report=msgspec.to_builtins(found))
        same_code = serving.projector_version == projector.version
        refusal = _refusal(found, threshold, same_code) if swap else "it was asked not to swap"
        swap_seconds = None if refusal else await generations.serve(pool, projector, generation.generation)
        log.info("rebuilt", slice=projector.name, generation=generation.generation, refusal=refusal)
        return RebuildResult(
            slice=projector.name,
            generation=generation.generation,
            serving=refusal is None,
            comparison=found,
            filled=filled,
            fill_seconds=fill_seconds,
            swap_seconds=swap_seconds,
            refusal=refusal,
        )


async def _open(pool: asyncpg.Pool, projector: Projector) -> Generation:
    """Return the unfinished generation, or begin a new one."""
    async with pool.acquire() as connection:
        for each in await generations.existing(connection, projector.name):
            if each.state in ("filling", "ready") and each.projector_version == projector.version:
                return each
    return await generations.begin(pool, projector)


async def _fill(
    pool: asyncpg.Pool, projector: Projector, generation: Generation, on_progress: Progress, pace: Pace
) -> int:
    async with pool.acquire() as connection:
        expected = await fill.expected(connection, projector)
        await generations.mark(connection, generation, expected=expected)
    done = generation.filled
    on_progress(done, expected)
    async for done in pace.paced(fill.fill(pool, projector, generation)):
        on_progress(done, max(expected, done))
    return done


def _refusal(found: Comparison, threshold: float, same_code: bool) -> str | None:
    if found.share_removed > threshold:
        return f"{found.removed} rows would disappear, more than {threshold:.1%}"
    if same_code and found.share_changed > threshold:
        return f"{found.changed} rows would read differently, more than {threshold:.1%}, though the code is the same"
    return None


async def rollback(pool: asyncpg.Pool, projectors: Sequence[Projector], name: str) -> int:
    """Make the previous generation serve again; return its number.

    Raises:
        NotFound: there is none that has been fed continuously.
    """
    known = {(each.name, each.version): each for each in projectors}
    async with pool.acquire() as connection:
        past = [each for each in await generations.existing(connection, name) if each.state == "retired"]
    for each in sorted(past, key=_retired_at, reverse=True):
        if projector := known.get((name, each.projector_version)):
            await generations.serve(pool, projector, each.generation)
            return each.generation
    raise NotFound(
        "There is no earlier generation that this release still feeds. Deploy the release before, then rebuild.",
        code="no_earlier_generation",
    )


async def rebuild_account(pool: asyncpg.Pool, projectors: Sequence[Projector], account_id: UUID) -> int:
    """Recompute everything of one account in place, and delete rows without a record; return the account's version.

    Raises:
        NotFound: there is no such linked account.
    """
    async with pool.acquire() as connection, connection.transaction():
        row = await connection.fetchrow(
            "SELECT whmcs_client_id, salesforce_account_id FROM portal.id_mappings WHERE account_id = $1", account_id
        )
        if row is None:
            raise NotFound("There is no linked account with this id.", code="account_not_found")
        at = now()
        link = Record(
            source="portal",
            object="account",
            record_id=str(account_id),
            version=0,
            occurred_at=at,
            verified_at=at,
            data=dict(row),
            owner_id=str(account_id),
        )
        await recompute.project(projectors, connection, [link], [])
        return int(
            await connection.fetchval(
                "SELECT version FROM read_model.account_versions WHERE account_id = $1", account_id
            )
        )


async def due(pool: asyncpg.Pool, projectors: Sequence[Projector]) -> list[Projector]:
    """Return the projectors whose version was raised: workers rebuild them without a request."""
    async with pool.acquire() as connection:
        known = await generations.existing(connection)
    serving = {each.slice: each.projector_version for each in known if each.state == "serving"}
    refused = {(each.slice, each.projector_version) for each in known if each.state == "ready"}  # an operator decides
    return [
        each
        for each in projectors
        if each.version > serving.get(each.name, each.version) and (each.name, each.version) not in refused
    ]


async def drop_old(pool: asyncpg.Pool, projectors: Sequence[Projector], keep: timedelta = KEEP) -> list[str]:
    """Drop generations that are no longer needed for a rollback; return their names."""
    by_name = {each.name: each for each in projectors}
    dropped = []
    async with pool.acquire() as connection:
        known = await generations.existing(connection)
    newest = {each.slice: each.retired_at for each in sorted(known, key=_retired_at) if each.state == "retired"}
    for each in known:
        last = each.retired_at == newest.get(each.slice)
        if each.slice in by_name and _past_use(each, by_name[each.slice], keep, last=last):
            await generations.drop(pool, by_name[each.slice], each.generation)
            dropped.append(f"{each.slice}_{each.generation}")
    return dropped


def _past_use(generation: Generation, projector: Projector, keep: timedelta, *, last: bool) -> bool:
    """Return whether a generation was retired long ago, is not the last retired, or was left unfinished by an old
    release."""
    if generation.state == "retired":
        return not last or now() - _retired_at(generation) > keep
    return generation.state != "serving" and generation.projector_version < projector.version


def _retired_at(generation: Generation) -> datetime:
    return generation.retired_at or generation.started_at


@asynccontextmanager
async def _only_one(pool: asyncpg.Pool, name: str) -> AsyncIterator[None]:
    async with leases.named(pool, LockSpace.REBUILD, name) as held:
        if held is None:
            raise Conflict(f"{name} is being rebuilt by another process.", code="rebuild_in_progress")
        yield
