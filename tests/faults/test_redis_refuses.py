"""Redis only speeds: whatever it does, approved orders are fulfilled by a real worker, which neither ends nor complains
without end, and all is as before once it is back."""

import asyncio
import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import asyncpg
import msgspec
import pytest

from app.cli.stack.environment import of_sandbox
from app.resources import open_resources
from app.settings import Settings
from tests.commands.conftest import Desk
from tests.fixtures.own_redis import REFUSALS, OwnRedis
from tests.fixtures.restarts import Process

FULFILLED_SECONDS = 120
DAMAGED = ("SET saq:fulfil:incomplete broken", "SET saq:fulfil:queued broken", "SET saq:fulfil:active broken")
MOST_LINES = 400


@pytest.fixture
def server() -> Iterator[OwnRedis]:
    with OwnRedis() as own:
        yield own


@pytest.fixture
async def desk(sandbox: Any, sandbox_settings: Settings, pool: asyncpg.Pool, server: OwnRedis) -> AsyncIterator[Desk]:
    own = msgspec.structs.replace(sandbox_settings, redis_url=server.url)
    async with open_resources(own, pool_size=8) as resources:
        desk = Desk(resources, sandbox)
        await desk.open()
        yield desk


@pytest.fixture
def worker(desk: Desk, tmp_path: Path) -> Iterator[Process]:
    settings = desk.resources.settings
    engines = {"DATABASE_URL": settings.database_url, "REDIS_URL": settings.redis_url}
    own = {"PORTAL_SECRET": "s" * 32, "RECONCILE_SECONDS": "0", "CASE_SWEEP_SECONDS": "0"}
    environment = {**os.environ, **of_sandbox(desk.sandbox.state), **engines, **own}
    with Process("worker", environment, tmp_path) as process:
        yield process.until_ready()


async def fulfilled(desk: Desk, order_id: str) -> None:
    async with asyncio.timeout(FULFILLED_SECONDS):
        while (await desk.journal(order_id))["state"] != "done":
            await asyncio.sleep(0.2)


@pytest.mark.parametrize("how", [*REFUSALS, "hangs", "gone", *DAMAGED])
async def test_an_approved_order_is_fulfilled_though_redis(
    desk: Desk, server: OwnRedis, worker: Process, how: str
) -> None:
    actor = await desk.customer()
    if how in DAMAGED:
        await server.tell(*how.split())
    else:
        await server.spoil(how)

    order_id = await desk.ordered("vpn", actor)
    await fulfilled(desk, order_id)

    await desk.assert_whole(actor, order_id)
    if how not in DAMAGED:
        await server.mend(how)
    again = await desk.ordered("vpn", await desk.customer(number=1))
    await fulfilled(desk, again)
    async with asyncio.timeout(FULFILLED_SECONDS):
        while await desk.pool.fetchval("SELECT count(*) FROM ingest.notices WHERE told_at IS NULL"):
            await asyncio.sleep(0.2)
    assert worker.process.poll() is None, worker.log.read_text()[-2000:]
    lines = worker.log.read_text().splitlines()
    assert not any("Traceback" in line for line in lines), lines[-20:]
    assert len([line for line in lines if "fulfilment_step" not in line]) < MOST_LINES
