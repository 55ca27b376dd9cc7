"""The limit of event streams holds however many are opened at once, in however many processes."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import asyncpg
import httpx
import msgspec
import psutil
import pytest
from redis.asyncio import Redis

from app.cache.redis_breaker import GuardedRedis
from app.http.streaming import stream_slots
from app.http.streaming.stream_slots import StreamSlots
from app.settings import Settings
from tests.deploy.test_api_restarts import environment
from tests.fixtures.restarts import Process, listening_socket
from tests.http.fast.test_connection import connect, get
from tests.http.middleware.test_request_bodies import session_of
from tests.http.real_server import on_server

__all__ = ["environment"]

LIMIT = 3


@asynccontextmanager
async def opened_at_once(urls: list[str], headers: dict[str, str]) -> AsyncIterator[Counter[int]]:
    """Open a stream at each address, all at once; how they were answered, with those that were opened kept open."""
    limits = httpx.Limits(max_connections=None)
    async with httpx.AsyncClient(timeout=30, trust_env=False, limits=limits) as client:

        async def ask(url: str) -> httpx.Response:
            response = await client.send(client.build_request("GET", url, headers=headers), stream=True)
            if response.status_code != 200:
                await response.aread()
                assert response.json()["code"] == "too_many_streams"
                assert response.headers["content-type"] == "application/problem+json"
            return response

        responses = await asyncio.gather(*(ask(f"{url}/api/events") for url in urls))
        try:
            yield Counter(response.status_code for response in responses)
        finally:
            for response in responses:
                await response.aclose()


async def once_free(urls: list[str], headers: dict[str, str], expected: Counter[int]) -> None:
    """Places come back behind the streams that ended."""
    async with asyncio.timeout(20):
        while True:
            async with opened_at_once(urls, headers) as found:
                if found == expected:
                    return
            await asyncio.sleep(0.1)


@pytest.mark.parametrize("redis_is_away", [False, True])
async def test_opening_many_at_once_opens_no_more_than_may_be(
    settings: Settings, pool: asyncpg.Pool, redis: Redis, redis_is_away: bool
) -> None:
    away = {"redis_url": "redis://127.0.0.1:9/0"} if redis_is_away else {}
    hana, ken = await session_of(pool, settings, "hana"), await session_of(pool, settings, "ken")
    async with on_server(msgspec.structs.replace(settings, event_streams_per_account=LIMIT, **away)) as (_, port):
        url = [f"http://127.0.0.1:{port}"]
        async with opened_at_once(url * 20, hana) as found, opened_at_once(url * 4, ken) as others:
            assert found == {200: LIMIT, 429: 17}
            assert others == {200: LIMIT, 429: 1}
        await once_free(url * 4, hana, Counter({200: LIMIT, 429: 1}))


async def test_all_accounts_together_have_a_bound_too(settings: Settings, pool: asyncpg.Pool, redis: Redis) -> None:
    hana, ken = await session_of(pool, settings, "hana"), await session_of(pool, settings, "ken")
    async with on_server(msgspec.structs.replace(settings, event_streams=4)) as (_, port):
        url = [f"http://127.0.0.1:{port}"]
        async with opened_at_once(url * 3, hana), opened_at_once(url * 3, ken) as found:
            assert found == {200: 1, 429: 2}


async def test_several_processes_have_one_limit_together(settings: Settings, pool: asyncpg.Pool, redis: Redis) -> None:
    hana = await session_of(pool, settings, "hana")
    own = msgspec.structs.replace(settings, event_streams_per_account=LIMIT)
    async with on_server(own) as (_, one), on_server(own) as (_, another):
        urls = [f"http://127.0.0.1:{one}", f"http://127.0.0.1:{another}"]
        async with opened_at_once(urls * 10, hana) as found:
            assert found == {200: LIMIT, 429: 17}
        await once_free(urls * 2, hana, Counter({200: LIMIT, 429: 1}))


@pytest.fixture
def api(environment: dict[str, str], tmp_path: Path) -> Iterator[tuple[Process, str]]:
    with listening_socket() as free:
        port = free.getsockname()[1]
    own = {
        "API_PORT": str(port),
        "API_WORKERS": "2",
        "API_DRAIN_SECONDS": "0.2",
        "EVENT_STREAMS_PER_ACCOUNT": str(LIMIT),
    }
    with Process("api", environment | own, tmp_path) as process:
        process.until_ready()
        yield process, f"http://127.0.0.1:{port}"


async def test_slots_left_by_a_killed_process_no_longer_count(
    api: tuple[Process, str], settings: Settings, pool: asyncpg.Pool, redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two workers at one port; whichever has the streams, both are killed."""
    process, url = api
    hana = await session_of(pool, settings, "hana")
    async with opened_at_once([url] * 20, hana) as found:
        assert found == {200: LIMIT, 429: 17}
        for worker in psutil.Process(process.process.pid).children():
            worker.kill()
    left = [key async for key in redis.scan_iter("portal:streams:account:*")]
    assert await redis.scard(left[0]) == LIMIT
    async with asyncio.timeout(stream_slots.ALIVE_SECONDS + 60):
        while True:
            try:
                async with opened_at_once([url] * 4, hana) as found:
                    if found[200] == LIMIT:
                        break
            except httpx.TransportError:
                pass  # the workers are being replaced
            await asyncio.sleep(5)  # an account may ask a hundred times a minute


async def test_a_stream_cancelled_at_any_instant_frees_its_slot(
    settings: Settings, pool: asyncpg.Pool, redis: Redis
) -> None:
    hana = await session_of(pool, settings, "hana")
    generous = msgspec.structs.replace(settings, account_rate_per_minute=10_000)
    async with on_server(generous) as (server, port):
        for number in range(120):
            wire = await connect(port)
            wire.send(get("/api/events", **hana))
            await asyncio.sleep((number % 12) * 0.003)
            wire.writer.transport.abort()
        state = server.app.state
        async with asyncio.timeout(10):
            while (
                state.stream_slots._own
                or state.subscribers._open
                or [k async for k in redis.scan_iter("portal:streams:account:*")]
            ):
                await asyncio.sleep(0.05)


async def test_an_emptied_redis_is_given_the_slots_again(engines: Any, redis: Redis) -> None:
    guarded = GuardedRedis.open(engines[1])
    one, other = [StreamSlots(guarded, per_account=1, in_all=10) for _ in range(2)]
    account = uuid4()
    async with one.slot(account):
        await redis.flushdb()
        await one._report()
        with pytest.raises(stream_slots.RateLimited):
            async with other.slot(account):
                raise AssertionError("one too many")
    async with asyncio.timeout(10):
        while await redis.scard(f"portal:streams:account:{account}"):
            await asyncio.sleep(0.01)
    async with other.slot(account):
        pass
    for each in (one, other):
        each.open()
        await each.close()
    await guarded.aclose()
