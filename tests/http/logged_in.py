"""Fixtures: an API with a customer of the sandbox logged in, and the driver that acts as the worker."""

from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import httpx
import msgspec
import pytest
from redis.asyncio import Redis

from app.commands.execution.context import Actor
from app.commands.identity.sessions.session_store import open_session
from app.resources import open_resources
from app.settings import Settings
from tests.commands.conftest import Desk


@pytest.fixture(scope="session")
def short_timeouts(sandbox_settings: Settings) -> Settings:
    """Short time-outs, and no limits."""
    return msgspec.structs.replace(
        sandbox_settings,
        whmcs_read_timeout_seconds=0.4,
        whmcs_write_timeout_seconds=0.4,
        whmcs_charge_timeout_seconds=0.4,
        account_rate_per_minute=10_000,
        payment_rate_per_minute=10_000,
    )


@pytest.fixture
async def desk(pool: asyncpg.Pool, redis: Redis, sandbox: Any, short_timeouts: Settings) -> AsyncIterator[Desk]:
    async with open_resources(short_timeouts, pool_size=16) as resources:
        found = Desk(resources, sandbox)
        await found.reread("gateways", "all")
        await found.reread("products", "all")
        yield found


@pytest.fixture
async def hana(desk: Desk) -> Actor:
    return await desk.customer()


@pytest.fixture
async def api(desk: Desk, hana: Actor, serve: Any, short_timeouts: Settings) -> AsyncIterator[httpx.AsyncClient]:
    """Hana, logged in; every request has a key of its own."""
    async with serve(short_timeouts) as client:
        assert hana.user_id is not None
        opened = await open_session(desk.pool, short_timeouts, hana.user_id, "", "")
        client.headers["Authorization"] = f"Bearer {opened.token}"
        yield client
