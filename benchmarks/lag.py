"""Lag: from the upstream's commit to the read model a query answers from, over the real path and real processes.

The clock of a change starts when it is sent to the upstream, so the upstream's own work is in it, and stops when a poll
(every 2 ms) of the view that queries read shows it. The change events' own stamp is no clock: it tells whole seconds.
"""

import asyncio
import contextlib
import time
from typing import Any

import asyncpg

from benchmarks.report import Result
from benchmarks.stack import running
from benchmarks.staff import Staff

PER_SECOND = 200
SECONDS = 20
WARM_UP_SECONDS = 3
POLL_SECONDS = 0.002
PATIENCE_SECONDS = 30
P50_MS, P99_MS = 25, 150

Seen = dict[int, float]
"""Number of a change → the instant (monotonic seconds) at which it showed."""

_SEEN = "SELECT order_id, whmcs_order_id FROM read_model.orders WHERE order_id = ANY($1::text[])"


async def run(url: str, *, rounds: int, quick: bool) -> list[Result]:
    """Two rows, p50 and p99. One steady run: there is no baseline to alternate with."""
    rate, warm_up, seconds = (20, 1, 2) if quick else (PER_SECOND, WARM_UP_SECONDS, SECONDS)
    with running() as state:
        staff, connection = Staff(state), await asyncpg.connect(state["database_url"])
        try:
            await staff.place_orders()
            seen: Seen = {}
            async with _polled(connection, staff, seen):
                first = await staff.change(rate, warm_up)
                began = time.monotonic()
                last = await staff.change(rate, seconds, first=first) - 1
                took = time.monotonic() - began
                await _until_seen(seen, first, last)
        finally:
            await staff.close()
            await connection.close()
    return _results(staff, seen, range(first, last + 1), took)


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
    """A number that shows makes every earlier change of the same order visible too."""
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


def _results(staff: Staff, seen: Seen, numbers: range, took: float) -> list[Result]:
    lags = sorted((seen[number] - staff.sent_at[number]) * 1000 for number in numbers)
    sandbox = sorted((staff.answered_at[number] - staff.sent_at[number]) * 1000 for number in numbers)
    told = (
        f"{len(numbers)} changes, {len(numbers) / took:.0f}/s reached; slowest {lags[-1]:.0f} ms; the sandbox took "
        f"p50 {_at(sandbox, 0.5):.0f}, p99 {_at(sandbox, 0.99):.0f} ms to take a change in; the load generator was "
        f"late by at most {staff.late_seconds * 1000:.0f} ms"
    )
    return [
        Result(
            name=f"lag, p{share * 100:.0f}",
            unit="ms",
            ours=_at(lags, share),
            against="from the request upstream to visible",
            bar=bar,
            at_most=True,
            detail=told if share == 0.5 else "",
        )
        for share, bar in ((0.5, P50_MS), (0.99, P99_MS))
    ]


def _at(ordered: list[float], share: float) -> float:
    return ordered[min(int(len(ordered) * share), len(ordered) - 1)]
