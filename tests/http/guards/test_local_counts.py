"""A flood of new addresses makes no process forget whom it has counted."""

import asyncio
import time
from typing import Any

import pytest
from msgspec.structs import replace
from redis.asyncio import Redis

from app.cache.redis_pipeline import RedisPipeline
from app.commands.identity import login_throttle
from app.http.guards import local_counts
from app.http.guards.local_counts import LocalCounts
from app.settings import Settings

AWAY = "redis://127.0.0.1:9/0"


async def test_a_flood_of_others_does_not_reset_a_caller_at_its_limit(
    serve: Any, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(local_counts, "MOST", 20)
    strict = replace(settings, redis_url=AWAY, trusted_proxies="203.0.113.7", public_rate_per_minute=3)
    async with serve(strict) as api:

        async def ask(address: str) -> int:
            headers = {"x-forwarded-for": address}
            return int((await api.get("/api/public/services/none", headers=headers)).status_code)

        if time.time() % 60 > 50:
            await asyncio.sleep(60 - time.time() % 60)  # so that the minute does not turn in between
        assert [await ask("198.51.100.1") for _ in range(4)] == [404] * 3 + [429]
        for number in range(60):
            assert await ask(f"192.0.2.{number}") == 404
            if number % 10 == 0:
                assert await ask("198.51.100.1") == 429


async def test_an_evicted_count_is_written_to_redis_first(
    engines: Any, redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(local_counts, "MOST", 5)
    pipeline = RedisPipeline(engines[1])
    pipeline.open()
    async with asyncio.timeout(20):
        while not pipeline.works:
            await asyncio.sleep(0.01)
    counts = LocalCounts(pipeline)
    for _ in range(3):
        counts.count("first", 7)
    for number in range(20):
        counts.count(f"another{number}", 7)
    async with asyncio.timeout(20):
        while await redis.get("first:7") != b"3":
            await asyncio.sleep(0.01)
    await pipeline.close()


def test_failed_logins_are_not_forgotten_in_a_flood_of_others_either(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(login_throttle, "MOST_LOCAL", 30)
    local = login_throttle._Local()
    for number in range(100):
        found = local.count(["hana"], [900])
        assert found[1] == number + 1
        local.count([f"another{number}-{n}" for n in range(20)], [900] * 20)
    assert len(local._counts) == 30
