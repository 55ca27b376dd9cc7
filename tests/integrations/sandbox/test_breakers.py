"""Two workers before one sick upstream: what the sandbox was asked is counted, not what we believe we asked."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any

import asyncpg
import msgspec
import pytest
from redis.asyncio import Redis

from app.errors import UpstreamError
from app.resources import Resources, open_resources
from app.settings import Settings

Ask = Callable[[Resources, int], Awaitable[Any]]


@pytest.fixture
async def workers(
    sandbox: Any, sandbox_settings: Settings, pool: asyncpg.Pool, redis: Redis
) -> AsyncIterator[list[Resources]]:
    impatient = msgspec.structs.replace(sandbox_settings, whmcs_read_timeout_seconds=15.0)
    async with AsyncExitStack() as stack:
        yield [await stack.enter_async_context(open_resources(impatient, pool_size=4)) for _ in range(2)]


async def hammer(workers: list[Resources], ask: Ask, seconds: float) -> list[UpstreamError]:
    errors: list[UpstreamError] = []
    end = asyncio.get_running_loop().time() + seconds

    async def one(resources: Resources, number: int) -> None:
        while asyncio.get_running_loop().time() < end:
            try:
                await ask(resources, number)
            except UpstreamError as error:
                errors.append(error)
            await asyncio.sleep(0.02)

    await asyncio.gather(*(one(resources, number) for resources in workers for number in range(8)))
    return errors


async def client_of(resources: Resources, number: int) -> None:
    await resources.whmcs.call("GetClientsDetails", {"clientid": str(number + 1)})


async def order_of(resources: Resources, number: int) -> None:
    await resources.salesforce.query("SELECT Id FROM Order LIMIT 1")


@pytest.mark.parametrize("status", [500, 429, 503])
async def test_whmcs_says_when_to_come_back_and_nobody_asks_before(
    workers: list[Resources], sandbox: Any, status: int
) -> None:
    await sandbox.fault("whmcs", "status", count=None, status=status, retry_after=20)
    errors = await hammer(workers, client_of, 4)
    assert len(await sandbox.calls("whmcs")) <= 24, "what was in flight already"
    assert len(errors) > 100
    assert all(1 <= (error.retry_after_seconds or 0) <= 22 for error in errors)


async def test_without_a_word_from_it_whmcs_is_asked_now_and_then(workers: list[Resources], sandbox: Any) -> None:
    await sandbox.fault("whmcs", "status", count=None, status=500)
    await hammer(workers, client_of, 5)
    assert len(await sandbox.calls("whmcs")) <= 60


async def test_a_backlog_goes_on_soon_after_the_heal_and_paced(workers: list[Resources], sandbox: Any) -> None:
    await sandbox.fault("whmcs", "down", count=None)
    done: list[float] = []
    loop = asyncio.get_running_loop()

    async def hint(number: int) -> None:
        resources = workers[number % 2]
        while True:
            try:
                await client_of(resources, number % 8)
            except UpstreamError as error:
                if error.code not in ("upstream_unavailable", "upstream_busy"):
                    break  # an answer: there is no such client
                await asyncio.sleep(error.retry_after_seconds or 1)
            else:
                break
        done.append(loop.time())

    backlog = [asyncio.create_task(hint(number)) for number in range(110)]
    await asyncio.sleep(6)
    assert not done
    await sandbox.clear_faults()
    healed_at = loop.time()
    await asyncio.wait_for(asyncio.gather(*backlog), 90)
    assert max(done) - healed_at < 60


async def test_salesforce_refuses_every_token_and_is_asked_for_few(workers: list[Resources], sandbox: Any) -> None:
    for operation in ("query", "sobjects.get"):
        await sandbox.fault("salesforce", "status", operation=operation, count=None, status=401)
    await hammer(workers, order_of, 5)
    asked = [each["operation"] for each in await sandbox.calls("salesforce")]
    assert asked.count("token") <= 20
    assert len(asked) <= 60
    async with asyncio.timeout(10):
        while {each.admission.upstreams["salesforce"].state for each in workers} != {"open"}:
            await asyncio.sleep(0.05)
    assert {each.admission.upstreams["salesforce"].availability().reason for each in workers} == {"auth"}
    assert all(each.admission.upstreams["salesforce"].retry_in_seconds() > 40 for each in workers)
