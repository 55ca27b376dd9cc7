"""Events/s from inbox to committed read model: our drain against the raw floor.

The events stand in the inbox when the clock starts. Telling Redis comes after the commit and is not part of it.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from functools import partial

import asyncpg

from app.events import Change
from app.ingest import drain
from app.ingest.inbox import SHARDS
from app.projections import engine
from app.projections.registry import with_previous
from app.settings import Settings
from benchmarks import events, raw, stage
from benchmarks.options import Options
from benchmarks.rounds import Row, alternate, compare


async def run(pool: asyncpg.Pool, settings: Settings, options: Options, say: Callable[[str], None]) -> list[Row]:
    """Two rows: one connection against one connection, and as many shards at a time as a worker drains."""
    bench = Projection(pool, settings, options)
    await bench.prepare()
    sides = {"ours": bench.ours, "ours, concurrent": bench.concurrent, "raw": bench.floor}
    rates = await alternate(sides, options.rounds, say)
    return [
        compare("projection", "events/s", 0.5, rates, "ours", "raw"),
        compare("projection, all shards", "events/s", 0.5, rates, "ours, concurrent", "raw"),
    ]


class Projection:
    """The events of a run, and its sides."""

    def __init__(self, pool: asyncpg.Pool, settings: Settings, options: Options) -> None:
        self._pool = pool
        self._settings = settings
        self._accounts = options.accounts
        self._changes: Sequence[Change] = events.mixed(options.accounts)
        self._project = partial(engine.project, with_previous(settings))

    async def prepare(self) -> None:
        """One run of ours outside the count: it warms everything up and shows the floor what to write."""
        await self.ours()
        connection = await raw.connect(self._settings.database_url)
        self._known = await raw.learn(connection)
        await connection.close()

    async def stage(self) -> None:
        """Empty tables, products mirrored, every event waiting."""
        await stage.empty(self._pool)
        await stage.link(self._pool, self._accounts)
        await stage.load(self._pool, events.products())
        await self._drain(1)
        await stage.load(self._pool, self._changes)
        await stage.settle_disk(self._pool)

    async def ours(self) -> float:
        """Our drain and engine, one shard at a time on one connection."""
        return await self._timed(1)

    async def concurrent(self) -> float:
        """Our drain and engine, as many shards at a time as a worker process takes."""
        return await self._timed(max(self._settings.worker_concurrency // 2, 1))

    async def _timed(self, at_once: int) -> float:
        await self.stage()
        started = time.perf_counter()
        await self._drain(at_once)
        seconds = time.perf_counter() - started
        await self._check()
        return len(self._changes) / seconds

    async def _drain(self, at_once: int) -> None:
        gate = asyncio.Semaphore(at_once)

        async def one(shard: int) -> None:
            async with gate:
                while await drain.drain(self._pool, shard, self._project, _wake, _nothing):
                    pass

        await asyncio.gather(*(one(shard) for shard in range(SHARDS)))

    async def floor(self) -> float:
        """The raw loop, one connection."""
        await self.stage()
        connection = await raw.connect(self._settings.database_url)
        try:
            started = time.perf_counter()
            await raw.project(connection, self._known)
            seconds = time.perf_counter() - started
        finally:
            await connection.close()
        await self._check()
        return len(self._changes) / seconds

    async def _check(self) -> None:
        """A fast wrong answer is not a figure.

        Raises:
            RuntimeError: entries are open, or rows are missing or not as they should be.
        """
        left = await stage.open_entries(self._pool)
        orders = await self._pool.fetchval(
            "SELECT count(*) FROM read_model.orders WHERE status = 'active' AND item_count = 2"
        )
        paid = await self._pool.fetchval("SELECT count(*) FROM read_model.invoices WHERE status = 'paid'")
        if (left, orders, paid) != (0, self._accounts * 4, self._accounts * 8):
            raise RuntimeError(f"wrong result: {left} entries open, {orders} orders active, {paid} invoices paid")


async def _wake(pairs: object) -> None:
    return None


async def _nothing() -> None:
    return None
