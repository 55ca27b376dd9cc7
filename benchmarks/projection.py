"""Projection: events a second from the inbox to the committed read model.

Against a raw loop on one connection, with the same batches, that claims, upserts the same mirrored records and the same
rows into clones of the same tables, all made beforehand, and marks; and against a projection of the same events with
the `eventsourcing` library.
"""

import asyncio
import time
from functools import partial
from typing import Any

import asyncpg

from app.events import Change
from app.ingest.apply import drain
from app.ingest.apply.status_history import STAGE
from app.ingest.inbox import inbox
from app.processes import gc_tuning
from app.projections.engine import recompute
from app.projections.registry import projectors
from app.readmodels import invoices, orders, timeline
from benchmarks.harness import setup
from benchmarks.harness.report import Result, compared

WORKERS = 4
_CLAIM = "SELECT * FROM ingest.inbox WHERE lane = 'apply' AND shard = $1 AND settled_at IS NULL ORDER BY id LIMIT $2"
_MIRROR = """
INSERT INTO mirror.records (source, object, record_id, parent_id, owner_id, data, version, deleted, occurred_at,
                            verified_at)
SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::jsonb[], $7::bigint[], $8::bool[],
                     $9::timestamptz[], $10::timestamptz[])
ON CONFLICT (source, object, record_id) DO UPDATE SET data = excluded.data, version = excluded.version,
    occurred_at = excluded.occurred_at, verified_at = excluded.verified_at
"""
_MARK = "UPDATE ingest.inbox SET settled_at = clock_timestamp(), outcome = 'applied' WHERE id = ANY($1::bigint[])"
SUMMARY, DOCUMENT, ENTRY = b"s" * 330, b"d" * 900, b"e" * 240
"""As long as an order's, an invoice's and a timeline entry's are on average: what the library's view stores."""
TABLES = (
    ("Order", orders.TABLE),
    ("invoice", invoices.TABLE),
    ("Order", timeline.table("timeline_orders")),
    ("invoice", timeline.table("timeline_invoices")),
)
"""The tables that the events of this benchmark make rows in, and the object of each."""
CLONE = 99
Rows = dict[tuple[str, str], list[dict[str, Any]]]
"""(table, root id) → its rows; under `stages`, the stages mirrored of an order."""


async def run(url: str, *, rounds: int, quick: bool) -> list[Result]:
    """Alternating rounds over the same events."""
    stream = setup.events(2_000 if quick else 20_000)
    alone, several, raw, library = [], [], [], []
    gc_tuning.settle()  # as the worker does
    async with setup.pool(url) as pool:
        for _ in range(rounds):
            await _filled(pool, stream)
            alone.append(len(stream) / await _ours(pool, url, 1))
            rows = await _made_beforehand(pool)
            await _filled(pool, stream)
            raw.append(len(stream) / await _raw(pool, rows))
            await _filled(pool, stream)
            several.append(len(stream) / await _ours(pool, url, WORKERS))
            library += await asyncio.to_thread(_library, url, len(stream))
    return [
        compared("projection, one connection", "events/s", alone, raw, "raw asyncpg loop, one connection", 0.5),
        compared(
            "projection, 4 connections at once", "events/s", several, raw, "the same raw loop, one connection", None
        ),
        compared("projection", "events/s", alone, library, "eventsourcing library's Postgres projection", 5),
    ]


async def _made_beforehand(pool: asyncpg.Pool) -> Rows:
    """Return the rows as the product made them, and create empty clones of their tables for the raw loop."""
    made: Rows = {}
    for _, table in TABLES:
        await pool.execute(f"DROP TABLE IF EXISTS {table.relation(CLONE)}")
        await pool.execute(f"CREATE TABLE {table.relation(CLONE)} (LIKE {table.relation(1)} INCLUDING ALL)")
        for row in await pool.fetch(f"SELECT * FROM {table.relation(1)}"):
            made.setdefault((table.name, row[table.root or str(table.item)]), []).append(dict(row))
    for row in await pool.fetch("SELECT * FROM mirror.records WHERE object = ANY($1)", list(STAGE.values())):
        made.setdefault(("stages", row["parent_id"]), []).append(dict(row))
    return made


async def _filled(pool: asyncpg.Pool, stream: list[Change]) -> None:
    await setup.clean(pool)
    async with pool.acquire() as connection:
        for start in range(0, len(stream), 500):
            await inbox.append(connection, stream[start : start + 500])
    await pool.execute("ANALYZE")


async def _ours(pool: asyncpg.Pool, url: str, workers: int) -> float:
    async def nothing(*_: object) -> None:
        return None

    project = partial(recompute.project, projectors(setup.settings(url)))
    shards = iter(range(inbox.SHARDS))

    async def work() -> None:
        for shard in shards:
            await drain.drain(pool, shard, project, nothing, nothing)

    started = time.perf_counter()
    await asyncio.gather(*(work() for _ in range(workers)))
    took = time.perf_counter() - started
    outcomes = await pool.fetch("SELECT outcome, count(*) FROM ingest.inbox GROUP BY outcome")
    assert [row["outcome"] for row in outcomes] == ["applied"], outcomes
    made = "SELECT (SELECT count(*) FROM read_model.orders) + (SELECT count(*) FROM read_model.invoices)"
    assert await pool.fetchval(made) * 2 == outcomes[0]["count"]
    return took


async def _raw(pool: asyncpg.Pool, made: Rows) -> float:
    statements = {table.name: table.upsert_sql(CLONE) for _, table in TABLES}
    async with pool.acquire() as connection:
        started = time.perf_counter()
        for shard in range(inbox.SHARDS):
            while entries := await connection.fetch(_CLAIM, shard, drain.BATCH):
                async with connection.transaction():
                    last = {(e["source"], e["object"], e["record_id"]): e for e in entries}.values()
                    stages = [row for e in last for row in made.get(("stages", e["record_id"]), ())]
                    await connection.execute(_MIRROR, *_mirror_columns([*last, *stages]))
                    for name, table in TABLES:
                        roots = {e["record_id"] if e["object"] == name else e["parent_id"] for e in last}
                        rows = [row for root in roots for row in made.get((table.name, root), ())]
                        if rows:
                            await connection.execute(statements[table.name], *table.arrays(rows))
                    await connection.execute(_MARK, [entry["id"] for entry in entries])
        return time.perf_counter() - started


def _mirror_columns(entries: Any) -> list[list[Any]]:
    names = ("source", "object", "record_id", "parent_id", "owner_id", "data", "version")
    more = [[False] * len(entries), *[[e["occurred_at"] for e in entries]] * 2]
    return [*([e[name] for e in entries] for name in names), *more]


def _library(url: str, count: int) -> list[float]:
    """One round; the import stays here, because the library is an extra of the benchmarks alone."""
    from benchmarks.harness import library

    return library.rates(url, 1, count)
