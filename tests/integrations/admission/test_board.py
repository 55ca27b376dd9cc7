"""Two processes and one breaker: real Postgres, and an upstream on a real socket that counts what reaches it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any

import asyncpg
import msgspec
import pytest

from app.errors import UpstreamError, UpstreamUnavailable
from app.integrations.admission import pauses
from app.integrations.admission.admission import Admission
from app.integrations.whmcs.client import WhmcsClient
from app.settings import Settings
from tests.integrations.scripted import Reply, Upstream

FINE = {"result": "success", "totalresults": 0, "paymentmethods": {"paymentmethod": []}}
PATIENCE_SECONDS = 20


class Process:
    """One process's view of WHMCS."""

    def __init__(self, admission: Admission, whmcs: WhmcsClient) -> None:
        self.admission, self.whmcs = admission, whmcs
        self.gate = admission.upstreams["whmcs"]

    async def ask(self) -> UpstreamError | None:
        try:
            await self.whmcs.gateways()
        except UpstreamError as error:
            return error
        return None


@pytest.fixture
async def processes(settings: Settings, pool: asyncpg.Pool, upstream: Upstream) -> AsyncIterator[list[Process]]:
    wired = msgspec.structs.replace(settings, whmcs_url=upstream.url, whmcs_read_timeout_seconds=0.5)
    async with AsyncExitStack() as stack:
        made = []
        for _ in range(2):
            admission = await Admission.open(wired)
            stack.push_async_callback(admission.close)
            whmcs = await WhmcsClient.open(wired, admission.upstreams["whmcs"])
            stack.push_async_callback(whmcs.close)
            made.append(Process(admission, whmcs))
        yield made


async def until(what: Any) -> None:
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not what():
            await asyncio.sleep(0.02)


async def row(pool: asyncpg.Pool) -> Any:
    return await pool.fetchrow("SELECT * FROM read_model.upstreams WHERE upstream = 'whmcs'")


async def hammer(processes: list[Process], seconds: float) -> list[UpstreamError | None]:
    """Both as fast as they can, six calls at once each."""
    answers: list[UpstreamError | None] = []
    loop = asyncio.get_running_loop()
    end = loop.time() + seconds

    async def one(process: Process) -> None:
        while loop.time() < end:
            answers.append(await process.ask())
            await asyncio.sleep(0.01)

    await asyncio.gather(*(one(process) for process in processes for _ in range(6)))
    return answers


@pytest.mark.parametrize("status", [500, 429, 503])
async def test_a_retry_after_holds_for_all_processes(
    processes: list[Process], pool: asyncpg.Pool, upstream: Upstream, status: int
) -> None:
    upstream.will(Reply("busy", status=status, headers={"Retry-After": "20"}))
    answers = await hammer(processes, 2.5)
    assert len(upstream.asked) <= 16, "what was in flight when the first two answers came, and no more"
    assert len(answers) > 50
    assert all(isinstance(each, UpstreamUnavailable) and each.retry_after_seconds for each in answers)
    assert all(15 <= process.gate.retry_in_seconds() <= 21 for process in processes)
    found = await row(pool)
    assert (found["state"], found["reason"]) == ("open", "limit")


async def test_without_a_word_from_it_it_is_probed_and_all_go_on_when_it_is_back(
    processes: list[Process], upstream: Upstream
) -> None:
    upstream.will(Reply("<html>Bad gateway</html>", status=503))
    await hammer(processes, 4)
    assert len(upstream.asked) <= 30
    upstream.will(Reply(FINE))
    first, second = processes

    async def goes_on() -> None:
        while await first.ask() is not None:
            await asyncio.sleep(0.05)

    async with asyncio.timeout(PATIENCE_SECONDS):
        await goes_on()
    await until(lambda: second.gate.state == "closed")
    assert await second.ask() is None


async def test_of_all_processes_one_probes(
    processes: list[Process], upstream: Upstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pauses, "SHORTEST_SECONDS", 0.8)
    upstream.will(Reply("", status=503))
    await hammer(processes[:1], 0.3)
    await until(lambda: all(process.gate.state == "open" for process in processes))
    upstream.will(Reply(FINE, hang=0.3))
    await until(lambda: all(process.gate.retry_in_seconds() == 0 for process in processes))
    await asyncio.sleep(0.05)
    asked = await asyncio.gather(*(process.ask() for process in processes for _ in range(6)))
    assert (len(upstream.asked), asked.count(None)) == (1, 1)
    await until(lambda: all(process.gate.state == "closed" for process in processes))


async def test_a_process_that_starts_later_does_not_call_either(
    processes: list[Process], settings: Settings, upstream: Upstream
) -> None:
    upstream.will(Reply("", status=429, headers={"Retry-After": "30"}))
    await hammer(processes[:1], 0.3)
    await until(lambda: not processes[0].gate.unsaved)
    later = await Admission.open(settings)
    assert later.upstreams["whmcs"].state == "open"
    assert later.upstreams["freebit"].state == "closed"
    await later.close()


async def test_a_prober_that_died_is_replaced(processes: list[Process], pool: asyncpg.Pool, upstream: Upstream) -> None:
    await pool.execute(
        "INSERT INTO read_model.upstreams (upstream, state, retry_at, probe_until, reason) "
        "VALUES ('whmcs', 'half_open', now(), now() + interval '2 seconds', 'outage')"
    )
    upstream.will(Reply(FINE))
    await until(lambda: processes[0].gate.state == "half_open")
    assert await processes[0].ask() is not None
    await until(lambda: processes[0].gate.retry_in_seconds() == 0)
    await asyncio.sleep(0.1)
    assert await processes[0].ask() is None


async def test_a_call_that_is_answered_writes_nothing(
    processes: list[Process], pool: asyncpg.Pool, upstream: Upstream
) -> None:
    upstream.will(Reply(FINE))
    assert await processes[0].ask() is None
    await asyncio.sleep(1.2)
    assert await row(pool) is None


async def test_without_postgres_each_works_alone(settings: Settings, upstream: Upstream) -> None:
    nowhere = msgspec.structs.replace(settings, database_url="postgresql://127.0.0.1:9/none", whmcs_url=upstream.url)
    admission = await Admission.open(nowhere)
    whmcs = await WhmcsClient.open(nowhere, admission.upstreams["whmcs"])
    process = Process(admission, whmcs)
    try:
        upstream.will(Reply("", status=503))
        await hammer([process], 0.5)
        assert process.gate.state == "open"
        assert len(upstream.asked) <= 12
        upstream.will(Reply(FINE))
        async with asyncio.timeout(PATIENCE_SECONDS):
            while await process.ask() is not None:
                await asyncio.sleep(0.05)
        assert process.gate.state == "closed"
    finally:
        await whmcs.close()
        await admission.close()


async def test_what_could_not_be_told_is_told_later(
    processes: list[Process], pool: asyncpg.Pool, upstream: Upstream
) -> None:
    upstream.will(Reply("", status=429, headers={"Retry-After": "60"}))
    async with pool.acquire() as connection, connection.transaction():
        await connection.execute("LOCK TABLE read_model.upstreams IN ACCESS EXCLUSIVE MODE")
        await hammer(processes[:1], 1.5)
        assert processes[0].gate.state == "open"
    await until(lambda: processes[1].gate.state == "open")
    assert (await row(pool))["state"] == "open"


async def test_the_budget_is_shared_among_those_who_call(processes: list[Process], upstream: Upstream) -> None:
    upstream.will(Reply(FINE))
    for process in processes:
        assert await process.ask() is None
    await until(lambda: [process.gate.budget.sharers for process in processes] == [2, 2])
    assert processes[0].admission.upstreams["whm"].budget.sharers == 1
