"""Processes report each other's counts as one, and no counter ever falls."""

import asyncio
import fcntl
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from app.http.monitoring import process_metrics
from app.http.monitoring.metric_families import Family, text_of
from app.http.monitoring.process_metrics import ProcessMetrics


class Process:
    """The counts of one process, and how they are reported."""

    def __init__(self, folder: Path, pid: int) -> None:
        self.count, self.exchange = 0.0, ProcessMetrics(str(folder), self.own)
        self.exchange._name = f"{pid}-{pid}.counts"

    def own(self) -> list[Family]:
        samples = [("requests_total", (("route", "/a"),), self.count), ("requests_created", (("route", "/a"),), 7.0)]
        return [
            Family("requests", "counter", "Requests", samples),  # type: ignore[arg-type]
            Family("process_open_fds", "gauge", "Files", [("process_open_fds", (), 3.0)]),
            Family("portal_kept", "gauge", "Kept", [("portal_kept", (), 10.0)]),
        ]


@asynccontextmanager
async def process(folder: Path, pid: int) -> AsyncIterator[Process]:
    found = Process(folder, pid)
    found.exchange.open()
    try:
        yield found
    finally:
        await found.exchange.close()


async def total(process: Process) -> float:
    return (await told(process))["requests_total", "/a"]


async def told(process: Process) -> dict[tuple[str, str], float]:
    families = text_string_to_metric_families(text_of(await process.exchange.counts()).decode())
    samples = [sample for family in families for sample in family.samples]
    return {(each.name, each.labels.get("route", each.labels.get("pid", ""))): each.value for each in samples}


async def test_every_process_reports_the_same_metrics(tmp_path: Path) -> None:
    async with process(tmp_path, 1) as one, process(tmp_path, 2) as other:
        one.count, other.count = 5, 7
        await total(one)
        for _ in range(3):
            assert [await total(other), await total(one)] == [12, 12]
        both = await told(one)
        assert [both["process_open_fds", pid] for pid in "12"] == [3, 3]
        assert both["portal_kept", ""] == 20
        assert both["requests_created", "/a"] == 7


async def test_a_counter_never_falls_whichever_process_is_asked_or_ends(tmp_path: Path) -> None:
    seen = 0.0
    async with process(tmp_path, 1) as lasting:
        for number in range(2, 6):
            async with process(tmp_path, number) as passing:
                for asked in (passing, lasting, passing, lasting):
                    passing.count += 3
                    lasting.count += 1
                    now = await total(asked)
                    assert now >= seen
                    seen = now
        assert await total(lasting) == 4 * 4 + 4 * 12
        assert ("process_open_fds", "2") not in await told(lasting)
        assert (await told(lasting))["portal_kept", ""] == 10
    async with process(tmp_path, 9) as later:
        assert await total(later) == 4 * 4 + 4 * 12


async def test_a_killed_process_counts_as_far_as_it_reported(tmp_path: Path) -> None:
    async with process(tmp_path, 1) as lasting:
        killed = Process(tmp_path, 2)
        killed.exchange.open()
        killed.count = 5
        await total(killed)
        killed.count = 6
        assert killed.exchange._task is not None
        killed.exchange._task.cancel()
        os.close(killed.exchange._held or 0)
        for _ in range(3):
            assert await total(lasting) == 5


async def test_a_process_that_stops_while_adding_up_doubles_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with process(tmp_path, 1) as lasting:
        async with process(tmp_path, 2) as passing:
            passing.count = 5
        monkeypatch.setattr(process_metrics, "_remove", lambda folder, names: None)  # killed before that
        await total(lasting)
        monkeypatch.undo()
        assert [await total(lasting) for _ in range(2)] == [5, 5]


async def test_a_folder_that_somebody_holds_is_not_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process_metrics, "LOCK_SECONDS", 0.1)
    async with process(tmp_path, 1) as one:
        with (tmp_path / "lock").open("a+b") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            with pytest.raises(TimeoutError):
                await one.exchange.counts()
        assert await total(one) == 0


async def test_a_process_leaves_its_counts_without_being_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process_metrics, "WRITE_SECONDS", 0.02)
    async with process(tmp_path, 1) as one, process(tmp_path, 2) as other:
        other.count = 4
        async with asyncio.timeout(10):
            while await total(one) != 4:
                await asyncio.sleep(0.02)
