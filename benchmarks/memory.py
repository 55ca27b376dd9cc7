"""Memory of each process under steady load, which must be flat.

Staff change orders and a customer reads; the resident size of api, worker and listener is sampled every second. The
first quarter of the time is warm-up and is not counted. The straight line through the samples is judged: its end over
its beginning.
"""

import asyncio
import time
from statistics import linear_regression
from typing import Any

import httpx
import psutil

from benchmarks.harness.report import Result
from benchmarks.harness.stack import State, logged_in, members, running
from benchmarks.staff import Staff

PARTS = ("api", "worker", "cdc")
PER_SECOND = 100
READ_PAUSE_SECONDS = 0.02
WARM_UP_SHARE = 0.25
BAR = 1.05
"""How much the line may rise over the time watched; sampling noise alone moves it by a percent or two."""
JUDGED_MINUTES = 10
"""A shorter run is reported and not judged: a slow leak stays under any bar in a short time."""

Samples = list[tuple[float, float]]
"""(seconds since the start, MiB)."""


async def run(url: str, *, rounds: int, quick: bool, minutes: float) -> list[Result]:
    """One row a process. One steady run: there is no baseline to alternate with."""
    seconds = 6.0 if quick else minutes * 60
    with running() as state:
        staff, reader = Staff(state), await logged_in(state, members(state)[0])
        try:
            await staff.place_orders()
            watch = asyncio.create_task(_watch(state, seconds))
            reading = asyncio.create_task(_read(reader))
            await staff.change(20 if quick else PER_SECOND, seconds)
            samples = await watch
            reading.cancel()
        finally:
            await staff.close()
            await reader.aclose()
    bar = BAR if seconds >= JUDGED_MINUTES * 60 else None
    return [_result(part, samples[part], seconds, bar) for part in PARTS]


async def _read(reader: httpx.AsyncClient) -> None:
    while True:
        for path in ("/api/orders", "/api/invoices"):
            (await reader.get(path)).raise_for_status()
        await asyncio.sleep(READ_PAUSE_SECONDS)


async def _watch(state: State, seconds: float) -> dict[str, Samples]:
    """Sample the resident size of each part with its children every second.

    Raises:
        psutil.NoSuchProcess: a part died, and later samples would be of another process.
    """
    processes = {part: psutil.Process(state["processes"][part]) for part in PARTS}
    samples: dict[str, Samples] = {part: [] for part in PARTS}
    began = time.monotonic()
    while (now := time.monotonic() - began) < seconds:
        for part, process in processes.items():
            samples[part].append((now, _mib(process)))
        await asyncio.sleep(min(1.0, seconds / 10))
    return samples


def _mib(process: Any) -> float:
    family = [process, *process.children(recursive=True)]
    return float(sum(each.memory_info().rss for each in family)) / 2**20


def _result(part: str, samples: Samples, seconds: float, bar: float | None) -> Result:
    steady = [sample for sample in samples if sample[0] >= seconds * WARM_UP_SHARE]
    sizes = [size for _, size in steady]
    line = linear_regression([at for at, _ in steady], sizes)
    begin, end = (line.intercept + line.slope * at for at in (steady[0][0], steady[-1][0]))
    return Result(
        name=f"memory, {part}",
        unit="MiB",
        ours=end,
        baseline=begin,
        against=f"the same process {steady[-1][0] - steady[0][0]:.0f} s earlier",
        ratio=end / begin,
        bar=bar,
        at_most=True,
        detail=f"{line.slope * 600:+.1f} MiB per 10 minutes, {min(sizes):.1f}–{max(sizes):.1f} MiB after warm-up",
    )
