"""The listener on the sandbox's event bus: positions with events, and never a rejected position twice."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import asyncpg
import pytest
from redis.asyncio import Redis

from app.ingest.listener import Listener, lead
from app.integrations.salesforce.pubsub import Batch, PubSubClient, Undecodable
from app.resources import Resources, open_resources
from app.settings import Settings

PATIENCE_SECONDS = 15


@pytest.fixture
async def resources(
    sandbox: Any, sandbox_settings: Settings, pool: asyncpg.Pool, redis: Redis
) -> AsyncIterator[Resources]:
    async with open_resources(sandbox_settings, pool_size=4) as opened:
        yield opened


@pytest.fixture
async def pubsub(resources: Resources) -> AsyncIterator[PubSubClient]:
    client = await PubSubClient.open(resources.settings, resources.salesforce)
    yield client
    await client.close()


def listener(resources: Resources, pubsub: PubSubClient, resyncs: list[int]) -> Listener:
    async def resync() -> None:
        resyncs.append(1)

    return Listener(resources.pool, resources.inbox, pubsub, resources.settings.salesforce_channel, resync)


async def until(pool: asyncpg.Pool, question: str, *values: object) -> Any:
    """Ask until the answer is not empty."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not (found := await pool.fetchval(question, *values)):
            await asyncio.sleep(0.02)
    return found


APPROVED = "SELECT data FROM ingest.inbox WHERE object = 'Order' AND origin = 'cdc' AND record_id = $1"


async def test_an_approval_arrives_with_the_position_that_covers_it(
    sandbox: Any, resources: Resources, pubsub: PubSubClient
) -> None:
    resyncs: list[int] = []
    task = asyncio.create_task(listener(resources, pubsub, resyncs).listen_for_ever())
    try:
        await until(resources.pool, "SELECT 1 FROM read_model.feeds")
        order_id = (await sandbox.control.get("/salesforce/orders")).json()["records"][0]["Id"]
        await sandbox.control.patch(f"/salesforce/orders/{order_id}", json={"Description": "called the customer"})
        await until(resources.pool, APPROVED, order_id)
        position = await resources.pool.fetchval("SELECT replay_id FROM ingest.checkpoints")
        assert len(position) == 10
        assert resyncs == [1]
    finally:
        task.cancel()


async def test_a_rejected_position_is_dropped_and_answered_with_a_resync(
    sandbox: Any, resources: Resources, pubsub: PubSubClient
) -> None:
    topic = resources.settings.salesforce_channel
    await resources.pool.execute(
        "INSERT INTO ingest.checkpoints (feed, replay_id) VALUES ($1, $2)", topic, b"\x7f" + bytes(9)
    )
    resyncs: list[int] = []
    task = asyncio.create_task(listener(resources, pubsub, resyncs).listen_for_ever())
    try:
        await until(resources.pool, "SELECT 1 FROM read_model.feeds")
        assert resyncs == [1]
        assert await resources.pool.fetchval("SELECT replay_id FROM ingest.checkpoints") != b"\x7f" + bytes(9)
    finally:
        task.cancel()


async def test_an_event_that_cannot_be_read_is_kept_and_the_feed_goes_on(
    resources: Resources, pubsub: PubSubClient
) -> None:
    broken = Undecodable(b"\x00" * 9 + b"\x07", "schema-1", b"\xff\xff", "EOFError()")
    batch = Batch([], b"\x00" * 9 + b"\x08", datetime.now(UTC), [broken])
    await listener(resources, pubsub, []).record(batch)
    kept = await resources.pool.fetchrow("SELECT object, lane, data FROM ingest.inbox")
    assert (kept["object"], kept["lane"], kept["data"]["payload"]) == ("undecodable", "fetch", "//8=")
    assert await resources.pool.fetchval("SELECT replay_id FROM ingest.checkpoints") == b"\x00" * 9 + b"\x08"


async def test_one_listener_leads_and_another_takes_over(resources: Resources) -> None:
    leading: list[str] = []

    def work(name: str) -> Any:
        async def run() -> None:
            leading.append(name)
            await asyncio.sleep(60)

        return run

    first = asyncio.create_task(lead(resources.pool, work("first")))
    await asyncio.sleep(0.3)
    second = asyncio.create_task(lead(resources.pool, work("second")))
    await asyncio.sleep(0.5)
    assert leading == ["first"]
    first.cancel()
    async with asyncio.timeout(PATIENCE_SECONDS):
        while leading != ["first", "second"]:
            await asyncio.sleep(0.05)
    second.cancel()
