"""Ingest: events a second accepted into the inbox, against a raw loop that inserts the same batches."""

import time
from collections.abc import Sequence
from typing import Any

import asyncpg

from app.events import Change
from app.ingest.inbox import inbox
from benchmarks.harness import setup
from benchmarks.harness.report import Result, compared

BATCH = 250
_RAW = """
INSERT INTO ingest.inbox (source, event_id, object, record_id, kind, origin, version, occurred_at, owner_id, parent_id,
                          read_at, echo, data, lane, shard, submission)
SELECT e.*, 1 FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::bigint[],
    $8::timestamptz[], $9::text[], $10::text[], $11::timestamptz[], $12::bool[], $13::jsonb[], $14::text[],
    $15::smallint[]) AS e
"""


async def run(url: str, *, rounds: int, quick: bool) -> list[Result]:
    """Alternating rounds over the same events."""
    stream = setup.events(2_000 if quick else 20_000)
    batches = [stream[start : start + BATCH] for start in range(0, len(stream), BATCH)]
    ready = [[list(column) for column in zip(*map(inbox._row, batch), strict=True)] for batch in batches]
    ours, raw = [], []
    async with setup.pool(url) as pool:
        for _ in range(rounds):
            await setup.clean(pool)
            ours.append(len(stream) / await _ours(pool, batches))
            await setup.clean(pool)
            raw.append(len(stream) / await _raw(pool, ready))
    return [compared("ingest", "events/s", ours, raw, "raw asyncpg insert of the same batches", 0.5)]


async def _ours(pool: asyncpg.Pool, batches: Sequence[Sequence[Change]]) -> float:
    async def wake(pairs: object) -> None:
        return None

    box = inbox.Inbox(pool, wake)
    started = time.perf_counter()
    for batch in batches:
        await box.submit(batch)
    return time.perf_counter() - started


async def _raw(pool: asyncpg.Pool, batches: Sequence[list[Any]]) -> float:
    async with pool.acquire() as connection:
        started = time.perf_counter()
        for columns in batches:
            async with connection.transaction():
                await connection.execute(_RAW, *columns)
        return time.perf_counter() - started
