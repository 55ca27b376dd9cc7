"""Lag: from the upstream's commit to the read model a query answers from, over the real path and real processes.

The clock of a change starts when the request is *sent* to the sandbox, so the figure is an upper bound: it includes the
sandbox's own work. Visible is when a poll (every 2 ms) of the view that queries read shows it.
"""

import asyncio
import time
from typing import Any

import asyncpg

from benchmarks.report import Result
from benchmarks.stack import running
from benchmarks.staff import Staff

PER_SECOND = 200
SECONDS = 30
WARM_UP_SECONDS = 3
POLL_SECONDS = 0.002
PATIENCE_SECONDS = 30
P50_MS, P99_MS = 25, 150

_SEEN = "SELECT order_id, whmcs_order_id FROM read_model.orders WHERE order_id = ANY($1::text[])"


async def run(url: str, *, rounds: int, quick: bool) -> list[Result]:
    """Two rows, p50 and p99. One steady run: there is no baseline to alternate with."""
    rate, seconds = (20, 2) if quick else (PER_SECOND, SECONDS)
    with running() as state:
        staff, connection = Staff(state), await asyncpg.connect(state["database_url"])
        try:
            await staff.place_orders()
            first = await staff.change(rate, 1 if quick else WARM_UP_SECONDS)
            await _seen(connection, staff, {}, first - 1)
            visible_at: dict[int, float] = {}
            poll = asyncio.create_task(_poll(connection, staff, visible_at))
            began = time.monotonic()
            last = await staff.change(rate, seconds, first=first) - 1
            took = time.monotonic() - began
            await _until_seen(visible_at, staff, first, last)
            poll.cancel()
        finally:
            await staff.close()
            await connection.close()
    return _results(staff, visible_at, range(first, last + 1), (last - first + 1) / took)


async def _poll(connection: Any, staff: Staff, visible_at: dict[int, float]) -> None:
    while True:
        await _look(connection, staff, visible_at)
        await asyncio.sleep(POLL_SECONDS)


async def _look(connection: Any, staff: Staff, visible_at: dict[int, float]) -> None:
    """A number that shows makes every earlier change of the same order visible too."""
    rows = await connection.fetch(_SEEN, list(staff.orders))
    now = time.monotonic()
    for row in rows:
        number, step = int(row["whmcs_order_id"] or 0), len(staff.orders)
        while number > 0 and number not in visible_at:
            visible_at[number] = now
            number -= step


async def _seen(connection: Any, staff: Staff, visible_at: dict[int, float], last: int) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while last not in visible_at:
        if time.monotonic() > deadline:
            raise RuntimeError(f"change {last} never became visible")
        await _look(connection, staff, visible_at)
        await asyncio.sleep(0.05)


async def _until_seen(visible_at: dict[int, float], staff: Staff, first: int, last: int) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while missing := [number for number in range(first, last + 1) if number not in visible_at]:
        if time.monotonic() > deadline:
            raise RuntimeError(f"{len(missing)} changes never became visible, the first is {missing[0]}")
        await asyncio.sleep(0.05)


def _results(staff: Staff, visible_at: dict[int, float], numbers: range, rate: float) -> list[Result]:
    since_sent = sorted((visible_at[n] - staff.sent_at[n]) * 1000 for n in numbers)
    since_answered = sorted((visible_at[n] - staff.answered_at[n]) * 1000 for n in numbers)
    told = (
        f"{len(numbers)} changes at {rate:.0f}/s; since the sandbox had answered: p50 {_at(since_answered, 0.5):.1f}, "
        f"p99 {_at(since_answered, 0.99):.1f} ms; slowest {since_sent[-1]:.0f} ms; "
        f"load generator late by at most {staff.late_seconds * 1000:.0f} ms"
    )
    bars = ((0.5, P50_MS), (0.99, P99_MS))
    return [
        Result(
            name=f"lag, p{share * 100:.0f}",
            unit="ms",
            ours=_at(since_sent, share),
            against=f"change sent to the sandbox → visible, {rate:.0f}/s",
            bar=bar,
            at_most=True,
            detail=told if share == 0.5 else "",
        )
        for share, bar in bars
    ]


def _at(ordered: list[float], share: float) -> float:
    return ordered[min(int(len(ordered) * share), len(ordered) - 1)]
