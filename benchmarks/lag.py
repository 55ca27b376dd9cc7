"""Lag and its cost: from the upstream's commit to the read model that a query answers from, over the real path.

Three steady runs over real processes. At 20 changes a second: the lag of a quiet system. As fast as changes are taken
in: the capacity. At half of that capacity: the lag under load, which any machine can be asked for, because the load
grows and shrinks with it. At 200 a second, or nine tenths of the capacity when that is less: the CPU that a change
costs, by process, the sandbox and the load generator left out.

The clock of a change starts when it is sent to the upstream, so the upstream's own work is in it, and stops when a poll
(every 2 ms) of the view that queries read shows it. The change events' own timestamp is no clock: it has whole seconds.
"""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import psutil
from msgspec import Struct

from benchmarks.harness.report import Result
from benchmarks.harness.stack import State, running
from benchmarks.staff import Staff

QUIET_PER_SECOND = 20
PER_SECOND = 200
SECONDS = 15
WARM_UP_SECONDS = 3
CAPACITY_CHANGES = 4_000
POLL_SECONDS = 0.002
PATIENCE_SECONDS = 60
CPU_MS = 2.5
QUIET_P50_MS, P50_MS, P99_MS = 25, 60, 250
PROCESSES = ("postgres", "redis", "worker", "cdc", "api")

Seen = dict[int, float]
"""Number of a change → the instant (monotonic seconds) at which it showed."""

_SEEN = "SELECT order_id, whmcs_order_id FROM read_model.orders WHERE order_id = ANY($1::text[])"


class Steady(Struct, frozen=True):
    """A run at one rate. Lags and what the sandbox took in milliseconds, ordered; CPU in milliseconds a change."""

    per_second: float
    lags_ms: list[float]
    sandbox_ms: list[float]
    late_ms: float
    cpu_ms: dict[str, float]


async def run(url: str, *, rounds: int, quick: bool) -> list[Result]:
    """There is no baseline to alternate with: the capacity measured in the same run stands for the machine."""
    seconds, changes = (2.0, 100) if quick else (SECONDS, CAPACITY_CHANGES)
    with running() as state:
        async with _Bench.of(state) as bench:
            await bench.steady(QUIET_PER_SECOND, 1.0 if quick else WARM_UP_SECONDS)
            quiet = await bench.steady(QUIET_PER_SECOND, seconds)
            capacity = await bench.capacity(changes)
            half = await bench.steady(capacity / 2, seconds)
            loaded = await bench.steady(min(PER_SECOND, capacity * 0.9), seconds)
    return _results(quiet, capacity, half, loaded)


class _Bench:
    """Staff, and somebody who looks."""

    def __init__(self, state: State, staff: Staff, connection: Any) -> None:
        self._state, self._staff, self._connection = state, staff, connection
        self._seen: Seen = {}
        self._next = 1

    @classmethod
    @contextlib.asynccontextmanager
    async def of(cls, state: State) -> "AsyncIterator[_Bench]":
        """Orders to change, and a poll that runs all the time."""
        staff, connection = Staff(state), await asyncpg.connect(state["database_url"])
        try:
            await staff.place_orders()
            bench = cls(state, staff, connection)
            async with _polled(connection, staff, bench._seen):
                yield bench
        finally:
            await staff.close()
            await connection.close()

    async def steady(self, per_second: float, seconds: float) -> Steady:
        """Change at a rate, and wait until everything shows."""
        first, before = self._next, _cpu_seconds(self._state)
        self._next = await self._staff.change(per_second, seconds, first=first)
        await _until_seen(self._seen, first, self._next - 1)
        spent = {name: after - before[name] for name, after in _cpu_seconds(self._state).items()}
        numbers, staff = range(first, self._next), self._staff
        return Steady(
            per_second,
            sorted((self._seen[number] - staff.sent_at[number]) * 1000 for number in numbers),
            sorted((staff.answered_at[number] - staff.sent_at[number]) * 1000 for number in numbers),
            staff.late_seconds * 1000,
            {name: seconds * 1000 / len(numbers) for name, seconds in spent.items()},
        )

    async def capacity(self, changes: int) -> float:
        """Return the changes a second when they are made as fast as they are taken in, until the last one shows."""
        first, began = self._next, time.monotonic()
        self._next = await self._staff.change_at_once(changes, first=first)
        await _until_seen(self._seen, first, self._next - 1)
        return changes / (max(self._seen[number] for number in range(first, self._next)) - began)


def _cpu_seconds(state: State) -> dict[str, float]:
    """CPU time of each process with its children, so far."""
    return {name: sum(map(_own_seconds, _family(state["processes"][name]))) for name in PROCESSES}


def _family(pid: int) -> list[Any]:
    process = psutil.Process(pid)
    return [process, *process.children(recursive=True)]


def _own_seconds(process: Any) -> float:
    """With the children that ended: Postgres's backends come and go."""
    try:
        times = process.cpu_times()
    except psutil.NoSuchProcess:
        return 0.0
    return float(times.user + times.system + times.children_user + times.children_system)


@contextlib.asynccontextmanager
async def _polled(connection: Any, staff: Staff, seen: Seen) -> Any:
    """Look all the time; a poll that fails fails the benchmark."""

    async def poll() -> None:
        while True:
            await _look(connection, staff, seen)
            await asyncio.sleep(POLL_SECONDS)

    task = asyncio.create_task(poll())
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def _look(connection: Any, staff: Staff, seen: Seen) -> None:
    """Note what is visible. A number that shows makes every earlier change of the same order visible too."""
    rows = await connection.fetch(_SEEN, list(staff.orders))
    now = time.monotonic()
    for row in rows:
        number = int(row["whmcs_order_id"] or 0)
        while number > 0 and number not in seen:
            seen[number] = now
            number -= len(staff.orders)


async def _until_seen(seen: Seen, first: int, last: int) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while missing := [number for number in range(first, last + 1) if number not in seen]:
        if time.monotonic() > deadline:
            raise RuntimeError(f"{len(missing)} changes never became visible, the first is {missing[0]}")
        await asyncio.sleep(0.05)


def _results(quiet: Steady, capacity: float, half: Steady, loaded: Steady) -> list[Result]:
    cpu = sum(loaded.cpu_ms.values())
    shares = ", ".join(f"{name} {ms:.2f}" for name, ms in loaded.cpu_ms.items())
    return [
        _lag(quiet, 0.5, f"lag at {QUIET_PER_SECOND}/s, p50", QUIET_P50_MS),
        Result(
            name="capacity", unit="changes/s", ours=capacity, against="as fast as the sandbox takes them in", bar=None
        ),
        _lag(half, 0.5, "lag at half capacity, p50", P50_MS),
        _lag(half, 0.99, "lag at half capacity, p99", P99_MS),
        Result(
            name=f"CPU of a change at {loaded.per_second:.0f}/s",
            unit="ms",
            ours=cpu,
            against="all our processes and engines",
            bar=CPU_MS,
            at_most=True,
            detail=f"{shares} ms; {len(loaded.lags_ms)} changes",
        ),
    ]


def _lag(run: Steady, share: float, name: str, bar: float) -> Result:
    told = (
        f"{len(run.lags_ms)} changes at {run.per_second:.0f}/s; slowest {run.lags_ms[-1]:.0f} ms; the sandbox took p50 "
        f"{_at(run.sandbox_ms, 0.5):.0f}, p99 {_at(run.sandbox_ms, 0.99):.0f} ms to take a change in; the load "
        f"generator was late by at most {run.late_ms:.0f} ms"
    )
    detail = told if share == 0.5 else ""
    against = "from the request upstream to visible"
    ours = _at(run.lags_ms, share)
    return Result(name=name, unit="ms", ours=ours, against=against, bar=bar, at_most=True, detail=detail)


def _at(ordered: list[float], share: float) -> float:
    return ordered[min(int(len(ordered) * share), len(ordered) - 1)]
