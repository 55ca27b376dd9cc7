"""Health and metrics name a Redis that is away, or that answers and refuses to write; customers notice nothing."""

import asyncio
from collections.abc import Iterator
from typing import Any

import httpx
import msgspec
import pytest

from app.settings import Settings
from tests.fixtures.own_redis import WAYS, OwnRedis

PATIENCE_SECONDS = 30
UP = "portal_redis_up 1\n"
REASONS = {
    "no replicas": "NOREPLICAS",
    "replica of nobody": "READONLY",
    "replica of nobody that answers nothing": "READONLY",
    "full": "OOM",
}


@pytest.fixture
def server() -> Iterator[OwnRedis]:
    with OwnRedis() as own:
        yield own


async def health(api: httpx.AsyncClient) -> dict[str, Any]:
    found: dict[str, Any] = (await api.get("/api/health/services/cache")).json()
    return found


async def is_up(api: httpx.AsyncClient) -> None:
    """Wait until health and metrics say so: on a busy machine one question may time out."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while (await health(api)).get("redis_state") != "ok" or UP not in (await api.get("/metrics")).text:
            await asyncio.sleep(0.1)


@pytest.mark.parametrize("how", WAYS)
async def test_it_is_named_and_nobody_is_turned_away(
    serve: Any, settings: Settings, add_customer: Any, log_in: Any, server: OwnRedis, how: str
) -> None:
    await add_customer("hana")
    async with serve(msgspec.structs.replace(settings, redis_url=server.url)) as api:
        await is_up(api)
        await server.spoil(how)
        try:
            found = await health(api)
            assert (found["status"], found["redis"]) == ("degraded", False)
            assert found["redis_state"] == ("refusing" if how in REASONS else "away")
            assert found["redis_reason"] in (REASONS.get(how), "ConnectionError", "TimeoutError")
            assert "portal_redis_up 0\n" in (await api.get("/metrics")).text
            assert (await api.get("/api/health/ready")).status_code == 200
            headers = {"authorization": f"Bearer {(await log_in(api, 'hana'))['token']}"}
            assert {(await api.get("/api/auth/me", headers=headers)).status_code for _ in range(10)} == {200}
        finally:
            await server.mend(how)
        await is_up(api)
