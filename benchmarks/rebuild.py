"""Rebuild: records a second into a new generation, and what a rebuild leaves of the API's speed.

The fill alone runs against `INSERT … SELECT` of the rows it makes. The API is measured through HTTP, over real
processes, while `portal rebuild` works at its default share of the time, in turns with the API left alone.
"""

import asyncio
import contextlib
import os
import sys
import time
from typing import Any

import asyncpg
import httpx

from app.db import open_pool
from app.projections import rebuild
from app.projections.engine import generations
from app.projections.projector import Projector
from app.projections.registry import projectors
from benchmarks.harness import mirrored, setup
from benchmarks.harness.report import Result, compared
from benchmarks.harness.stack import State, logged_in, members, running

RECORDS = 20_000
SERVED_RECORDS = 60_000
"""Enough that a rebuild outlasts the time it is watched for."""
CLONE, COPY = 96, 97
"""Numbers of scratch tables, far from those of generations."""
ACCOUNTS = 500
WINDOW_SECONDS = 4
READERS = 8
STARTED_SECONDS = 20


async def run(url: str, *, rounds: int, quick: bool) -> list[Result]:
    """Measure two rows: the fill, and the queries served during one."""
    return [await _fill(url, rounds, 400 if quick else RECORDS), await _served(rounds, quick)]


async def _fill(url: str, rounds: int, records: int) -> Result:
    projector = next(each for each in projectors(setup.settings(url)) if each.name == "invoices")
    ours, raw = [], []
    async with setup.pool(url) as pool:
        await setup.clean(pool, ACCOUNTS)
        await mirrored.fill(pool, records * 2, ACCOUNTS)
        for _ in range(rounds):
            ours.append(await _ours(pool, projector, records))
            raw.append(await _raw(pool, projector, records))
    return compared("rebuild", "records/s", ours, raw, "INSERT … SELECT of the rows it makes, one connection", None)


async def _ours(pool: asyncpg.Pool, projector: Projector, records: int) -> float:
    await pool.execute("CHECKPOINT")
    done = await rebuild.rebuild(pool, projector, swap=False)
    if done.filled != records:
        raise RuntimeError(f"{done.filled} of {records} records were filled")
    clone = projector.table.relation(CLONE)
    await pool.execute(f"DROP TABLE IF EXISTS {clone}")
    await pool.execute(f"CREATE TABLE {clone} AS SELECT * FROM {projector.table.relation(done.generation)}")
    await generations.drop(pool, projector, done.generation)
    return done.filled / done.fill_seconds


async def _raw(pool: asyncpg.Pool, projector: Projector, records: int) -> float:
    """Copy the same rows from a table that holds them into an equal one with every index."""
    source, target = projector.table.relation(CLONE), projector.table.relation(COPY)
    await pool.execute(f"DROP TABLE IF EXISTS {target}")
    await pool.execute(f"CREATE TABLE {target} (LIKE {projector.table.relation(1)} INCLUDING ALL)")
    await pool.execute("CHECKPOINT")
    started = time.perf_counter()
    await pool.execute(f"INSERT INTO {target} SELECT * FROM {source}")
    seconds = time.perf_counter() - started
    await pool.execute(f"DROP TABLE {target}")
    await pool.execute(f"DROP TABLE {source}")
    return records / seconds


async def _served(rounds: int, quick: bool) -> Result:
    alone, beside = [], []
    seconds = 1 if quick else WINDOW_SECONDS
    with running() as state:
        pool = await open_pool(state["database_url"], size=4)
        clients = [await logged_in(state, customer) for customer in members(state)[:READERS]]
        try:
            await _bulk(pool, SERVED_RECORDS)
            await _queries(clients, 1)
            for _ in range(rounds):
                alone.append(await _queries(clients, seconds))
                async with _rebuilding(state, pool):
                    beside.append(await _queries(clients, seconds))
        finally:
            for client in clients:
                await client.aclose()
            await pool.close()
    return compared("queries beside a rebuild", "queries/s", beside, alone, "the same queries without one", 0.8)


async def _bulk(pool: asyncpg.Pool, records: int) -> None:
    """Invoices of all who can log in: mirrored, so that a rebuild has work, but in no row that serves."""
    owners = [row["id"] for row in await pool.fetch("SELECT whmcs_client_id AS id FROM portal.id_mappings")]
    await pool.execute(mirrored.INVOICES_OF_THESE, mirrored.FIRST_INVOICE, owners, setup.INVOICE, records)
    await pool.execute("VACUUM ANALYZE mirror.records")


async def _queries(clients: list[httpx.AsyncClient], seconds: float) -> float:
    """Answers a second, every client asking as soon as it was answered."""
    ends_at, counts = time.monotonic() + seconds, [0] * len(clients)

    async def ask(which: int) -> None:
        while time.monotonic() < ends_at:
            (await clients[which].get("/api/invoices")).raise_for_status()
            counts[which] += 1

    began = time.monotonic()
    await asyncio.gather(*(ask(which) for which in range(len(clients))))
    return sum(counts) / (time.monotonic() - began)


@contextlib.asynccontextmanager
async def _rebuilding(state: State, pool: asyncpg.Pool) -> Any:
    """`portal rebuild invoices` at work, as a process of its own; a generation it leaves is dropped."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "app.cli", "rebuild", "invoices", "--diff", "--json"),
        env=_environment(state),
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        await _until_filling(pool)
        yield
        if process.returncode is not None:
            raise RuntimeError("the rebuild ended before it had been watched for long enough")
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        await process.wait()
        await _drop_unserved(state, pool)


async def _until_filling(pool: asyncpg.Pool) -> None:
    deadline = time.monotonic() + STARTED_SECONDS
    while not await pool.fetchval(
        "SELECT count(*) FROM read_model.generations WHERE state <> 'serving' AND filled > 0"
    ):
        if time.monotonic() > deadline:
            raise RuntimeError("the rebuild did not begin to fill")
        await asyncio.sleep(0.05)


async def _drop_unserved(state: State, pool: asyncpg.Pool) -> None:
    projector = next(each for each in projectors(setup.settings(state["database_url"])) if each.name == "invoices")
    found = await pool.fetch(
        "SELECT generation FROM read_model.generations WHERE slice = 'invoices' AND state <> 'serving'"
    )
    for row in found:
        await generations.drop(pool, projector, row["generation"])


def _environment(state: State) -> dict[str, str]:
    from app.cli.stack.environment import of_sandbox

    engines = {"DATABASE_URL": state["database_url"], "REDIS_URL": state["redis_url"], "PORTAL_SECRET": "s" * 32}
    return {**os.environ, **of_sandbox(state), **engines}
