"""Health names what is wrong within a second, whatever hangs, and separates degraded from down."""

import asyncio
from collections.abc import AsyncIterator
from time import monotonic
from typing import Any

import asyncpg
import httpx
import msgspec
import pytest
from litestar import Litestar
from redis.asyncio import Redis

from app.errors import UpstreamBusy
from app.settings import Settings
from tests.fixtures.relay import Relay, relay

WITHIN_SECONDS = 2.0
"""One second, and what a busy machine adds."""


@pytest.fixture
async def feeds(pool: asyncpg.Pool, settings: Settings) -> None:
    """Every feed answers."""
    names = [settings.salesforce_channel, settings.salesforce_eligibility_topic]
    await pool.execute(
        "INSERT INTO read_model.feeds (feed, state, as_of) SELECT unnest($1::text[]), 'live', now() "
        "ON CONFLICT (feed) DO UPDATE SET state = 'live', as_of = now()",
        names,
    )


@pytest.fixture
async def postgres(engines: tuple[str, str]) -> AsyncIterator[Relay]:
    async with relay(engines[0]) as found:
        yield found


async def ready(api: httpx.AsyncClient) -> tuple[int, dict[str, Any]]:
    began = monotonic()
    response = await api.get("/api/health/ready")
    assert monotonic() - began < WITHIN_SECONDS
    found: dict[str, Any] = response.json()
    return response.status_code, found


async def test_all_is_well(api: httpx.AsyncClient, feeds: None) -> None:
    status, found = await ready(api)
    assert (status, found["status"], found["reasons"]) == (200, "ok", [])
    assert (found["postgres"], found["redis"]) == ("ok", "ok")
    assert {each["upstream"]: each["state"] for each in found["upstreams"]} == dict.fromkeys(
        ("salesforce", "whmcs", "freebit", "whm"), "closed"
    )
    assert {each["state"] for each in found["feeds"]} == {"live"}


async def test_an_open_breaker_is_named_and_it_still_serves(
    running: tuple[Litestar, httpx.AsyncClient], feeds: None
) -> None:
    app, api = running
    for _ in range(2):
        with pytest.raises(UpstreamBusy):
            async with app.state.admission.upstreams["whmcs"].admitted("GetClients"):
                raise UpstreamBusy("whmcs", "GetClients", "HTTP 429 for secret reasons", retry_after_seconds=60)
    status, found = await ready(api)
    assert (status, found["status"], found["reasons"]) == (200, "degraded", ["whmcs_open"])
    whmcs = next(each for each in found["upstreams"] if each["upstream"] == "whmcs")
    assert (whmcs["state"], whmcs["reason"]) == ("open", "limit")
    assert whmcs["since"] < whmcs["retry_at"]
    assert "secret" not in str(found)
    text = (await api.get("/metrics")).text
    assert 'portal_upstream_state{upstream="whmcs",state="open"} 1' in text
    assert 'portal_upstream_state{upstream="whmcs",state="closed"} 0' in text


async def test_a_feed_that_stalls_or_never_spoke_is_named(
    api: httpx.AsyncClient, pool: asyncpg.Pool, settings: Settings, feeds: None
) -> None:
    channel, topic = settings.salesforce_channel, settings.salesforce_eligibility_topic
    await pool.execute("UPDATE read_model.feeds SET as_of = now() - interval '1 hour' WHERE feed = $1", channel)
    await pool.execute("DELETE FROM read_model.feeds WHERE feed = $1", topic)
    status, found = await ready(api)
    assert (status, found["status"]) == (200, "degraded")
    assert set(found["reasons"]) == {f"feed_silent:{channel}", f"feed_never:{topic}"}


async def test_a_table_that_somebody_has_all_of_is_named(
    api: httpx.AsyncClient, pool: asyncpg.Pool, feeds: None
) -> None:
    async with pool.acquire() as connection, connection.transaction():
        await connection.execute("LOCK TABLE ingest.inbox IN ACCESS EXCLUSIVE MODE")
        waiting = asyncio.create_task(pool.execute("SELECT FROM ingest.inbox LIMIT 1"))
        async with asyncio.timeout(30):
            while not (found := (await ready(api))[1])["reasons"]:
                await asyncio.sleep(0.2)
        assert (found["status"], found["reasons"]) == ("degraded", ["table_locked:ingest.inbox"])
    await waiting
    assert (await ready(api))[1]["reasons"] == []


async def test_a_database_that_takes_no_writes_is_degraded_everywhere(
    serve: Any, settings: Settings, feeds: None, pool: asyncpg.Pool
) -> None:
    async with pool.acquire() as writer, serve(settings) as api:
        assert (await api.get("/api/health/services/cache")).json()["status"] == "ok"
        name = await writer.fetchval("SELECT current_database()")
        await writer.execute(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
        try:
            async with serve(settings) as api:
                assert (await ready(api))[1]["reasons"] == ["postgres_read_only"]
                assert (await api.get("/api/health/services/cache")).json()["status"] == "degraded"
        finally:
            await writer.execute(f"ALTER DATABASE {name} RESET default_transaction_read_only")


async def test_redis_away_refusing_and_hanging(
    serve: Any, settings: Settings, feeds: None, redis: Redis, engines: tuple[str, str]
) -> None:
    async with serve(msgspec.structs.replace(settings, redis_url="redis://127.0.0.1:9/0")) as api:
        assert (await ready(api))[1]["redis"] == "away"
    async with relay(engines[1]) as hung, serve(msgspec.structs.replace(settings, redis_url=hung.url)) as api:
        assert (await ready(api))[1]["redis"] == "ok"
        hung.hang()
        status, found = await ready(api)
        assert (status, found["redis"], found["reasons"]) == (200, "away", ["redis_away"])
    async with serve(settings) as api:
        await redis.config_set("min-replicas-to-write", "3")
        try:
            status, found = await ready(api)
        finally:
            await redis.config_set("min-replicas-to-write", "0")
        assert (status, found["redis"], found["reasons"]) == (200, "refusing", ["redis_refusing"])
        assert (await ready(api))[1]["redis"] == "ok"


async def test_postgres_hangs_and_health_says_so_within_a_second(
    serve: Any, settings: Settings, feeds: None, postgres: Relay
) -> None:
    async with serve(msgspec.structs.replace(settings, database_url=postgres.url)) as api:
        assert (await ready(api))[0] == 200
        postgres.hang()
        for _ in range(3):
            status, found = await ready(api)
            assert (status, found["status"], found["postgres"]) == (503, "unavailable", "away")
            assert found["feeds"] is None
        for path, expected in (("/api/health/services/cache", 503), ("/api/health/live", 200)):
            began = monotonic()
            assert (await api.get(path)).status_code == expected
            assert monotonic() - began < WITHIN_SECONDS
        began = monotonic()
        assert "portal_measures_up 0.0" in (await api.get("/metrics")).text
        assert monotonic() - began < WITHIN_SECONDS + 2
        postgres.flow()
        async with asyncio.timeout(30):
            while (await api.get("/api/health/ready")).status_code != 200:
                await asyncio.sleep(0.1)


async def test_a_crowd_on_the_pools_does_not_make_postgres_look_away(
    running: tuple[Litestar, httpx.AsyncClient], feeds: None
) -> None:
    app, api = running
    sleepers = [
        asyncio.create_task(pool.fetchval("SELECT pg_sleep(3)"))
        for pool in (app.state.context.pool, app.state.layers.store.pool, app.state.health_pool)
        for _ in range(12)
    ]
    await asyncio.sleep(0.3)
    status, found = await ready(api)
    assert (status, found["postgres"], found["status"]) == (200, "ok", "ok")
    await asyncio.gather(*sleepers, return_exceptions=True)
