"""Age on demand: `Cache-Control: max-age=N` on a request has the data read again, once however many ask."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import asyncpg
import httpx
import msgspec
import pytest
from redis.asyncio import Redis

from app.processes.worker import WorkerJobs
from app.readmodels.freshness import BOUND_SECONDS
from app.settings import Settings
from tests.commands.conftest import Desk
from tests.fixtures.remembered import forget_everywhere

ROUTES = {
    "/api/invoices": "client_invoices",
    "/api/subscriptions": "client_services",
    "/api/payment-methods": "pay_methods",
}


@pytest.fixture
async def desk(pool: asyncpg.Pool, redis: Redis, sandbox: Any, sandbox_settings: Settings) -> AsyncIterator[Desk]:
    from app.resources import open_resources

    async with open_resources(sandbox_settings, pool_size=16) as resources:
        found = Desk(resources, sandbox)
        await found.open()
        yield found


@pytest.fixture
async def api(
    desk: Desk, serve: Any, sandbox_settings: Settings, pool: asyncpg.Pool
) -> AsyncIterator[httpx.AsyncClient]:
    """A customer with invoices, logged in; every list was just read."""
    actor = await desk.customer()
    from app.commands.identity.sessions.session_store import open_session

    generous = msgspec.structs.replace(sandbox_settings, account_rate_per_minute=10_000)
    async with serve(generous) as client:
        assert actor.user_id is not None
        opened = await open_session(pool, sandbox_settings, actor.user_id, "", "")
        client.headers["Authorization"] = f"Bearer {opened.token}"
        yield client


async def age(pool: asyncpg.Pool, redis: Redis, seconds: float) -> None:
    """As if everything had last been read so long ago; upstream versions too, or a new read would seem older."""
    await pool.execute("UPDATE read_model.freshness SET verified_at = now() - $1 * interval '1 second'", seconds)
    await forget_everywhere(pool, redis)


async def asked(pool: asyncpg.Pool, resource: str) -> int:
    """Return the number of hints once there is one: they are written after the answers."""
    async with asyncio.timeout(20):
        while not (count := await hints(pool, resource)):
            await asyncio.sleep(0.02)
    return count


async def hints(pool: asyncpg.Pool, resource: str) -> int:
    where = "SELECT count(*) FROM ingest.inbox WHERE object = $1 AND event_id LIKE 'verify:%'"
    return int(await pool.fetchval(where, resource))


@pytest.mark.parametrize(("route", "resource"), ROUTES.items())
async def test_past_its_bound_a_list_answers_at_once_and_is_verified_by_a_worker(
    api: httpx.AsyncClient, desk: Desk, pool: asyncpg.Pool, redis: Redis, route: str, resource: str
) -> None:
    await age(pool, redis, BOUND_SECONDS[resource] - 20)
    assert (await api.get(route)).json()["stale"] is False
    assert await hints(pool, resource) == 0
    await age(pool, redis, BOUND_SECONDS[resource] + 1)
    answers = await asyncio.gather(*(api.get(route) for _ in range(20)))
    assert all(each.json()["stale"] is True for each in answers)
    assert await asked(pool, resource) == 1, "one refresh, however many ask"
    await desk.settle()
    fresh = (await api.get(route)).json()
    assert fresh["stale"] is False
    assert (datetime.now(UTC) - datetime.fromisoformat(fresh["as_of"])).total_seconds() < 20


async def test_a_caller_may_demand_an_age_and_waits_for_it(
    api: httpx.AsyncClient, desk: Desk, pool: asyncpg.Pool, redis: Redis
) -> None:
    await age(pool, redis, 60)
    asked_at = datetime.now(UTC)

    async def work() -> None:
        for _ in range(40):
            await WorkerJobs.sweep(desk.work)
            await asyncio.sleep(0.05)

    working = asyncio.create_task(work())
    demanded = await api.get("/api/invoices", headers={"Cache-Control": "max-age=5", "Prefer": "wait=8"})
    assert datetime.fromisoformat(demanded.json()["as_of"]) >= asked_at
    working.cancel()
    assert (await api.get("/api/invoices", headers={"Cache-Control": "max-age=600"})).status_code == 200
    assert await hints(pool, "client_invoices") == 1


async def test_a_demand_that_cannot_be_met_in_time_is_answered_with_its_age(
    api: httpx.AsyncClient, pool: asyncpg.Pool, redis: Redis
) -> None:
    await age(pool, redis, 60)
    started = asyncio.get_running_loop().time()
    answer = await api.get("/api/invoices", headers={"Cache-Control": "no-cache", "Prefer": "wait=0.2"})
    assert answer.status_code == 200
    assert (datetime.now(UTC) - datetime.fromisoformat(answer.json()["as_of"])).total_seconds() > 59
    assert asyncio.get_running_loop().time() - started < 2


async def test_orders_are_verified_with_salesforce_when_somebody_demands_it(
    api: httpx.AsyncClient, pool: asyncpg.Pool
) -> None:
    await pool.execute(
        "INSERT INTO read_model.feeds (feed, as_of) VALUES ('/data/Portal__chn', now() - interval '1 minute') "
        "ON CONFLICT (feed) DO UPDATE SET as_of = excluded.as_of"
    )
    assert (await api.get("/api/orders")).status_code == 200
    assert await hints(pool, "account_history") == 0
    await api.get("/api/orders", headers={"Cache-Control": "max-age=1", "Prefer": "wait=0.1"})
    assert await asked(pool, "account_history") == 1
