"""The listener on the sandbox's event bus: positions with events, and never a rejected position twice."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import pytest

from app import leases
from app.ingest.refetch.salesforce_window import resync
from app.ingest.sources.canary import CanaryFollower, ChangeEvents
from app.ingest.sources.cdc_listener import Listener
from app.ingest.sources.leader import lead
from app.integrations.salesforce.events.pubsub import Batch, PubSubClient, Undecodable
from app.processes.worker import WorkerJobs
from app.resources import Resources

PATIENCE_SECONDS = 60


@pytest.fixture
async def pubsub(resources: Resources) -> AsyncIterator[PubSubClient]:
    client = await PubSubClient.open(resources.settings, resources.salesforce)
    yield client
    await client.close()


def listener(
    resources: Resources, pubsub: PubSubClient, resyncs: list[datetime | None], silence_seconds: float = 330
) -> Listener:
    async def resync(since: datetime | None) -> None:
        resyncs.append(since)

    topic = resources.settings.salesforce_channel
    return Listener(resources.pool, resources.inbox, pubsub, topic, resync, silence_seconds)


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
    resyncs: list[datetime | None] = []
    task = asyncio.create_task(listener(resources, pubsub, resyncs).listen_forever())
    try:
        await until(resources.pool, "SELECT 1 FROM read_model.feeds")
        order_id = (await sandbox.control.get("/salesforce/orders")).json()["records"][0]["Id"]
        await sandbox.control.patch(f"/salesforce/orders/{order_id}", json={"Description": "called the customer"})
        await until(resources.pool, APPROVED, order_id)
        position = await resources.pool.fetchval("SELECT replay_id FROM ingest.checkpoints")
        assert len(position) == 10
        assert resyncs == [None]
    finally:
        task.cancel()


async def test_a_rejected_position_is_dropped_and_answered_with_a_resync(
    sandbox: Any, resources: Resources, pubsub: PubSubClient
) -> None:
    topic = resources.settings.salesforce_channel
    await resources.pool.execute(
        "INSERT INTO ingest.checkpoints (feed, replay_id, committed_at) VALUES ($1, $2, now() - interval '2 hours')",
        topic,
        b"\x7f" + bytes(9),
    )
    good_at = await resources.pool.fetchval("SELECT committed_at FROM ingest.checkpoints")
    resyncs: list[datetime | None] = []
    task = asyncio.create_task(listener(resources, pubsub, resyncs).listen_forever())
    try:
        await until(resources.pool, "SELECT 1 FROM read_model.feeds")
        assert resyncs == [good_at], "only what changed since it was good"
        assert await resources.pool.fetchval("SELECT count(*) FROM ingest.progress") == 0
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


REFUSE = """
CREATE SEQUENCE refusals;
CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN PERFORM nextval('refusals'); RAISE EXCEPTION 'read only' USING ERRCODE = '25006'; END $$;
CREATE TRIGGER refuse BEFORE INSERT OR UPDATE ON ingest.checkpoints EXECUTE FUNCTION refuse();
"""
ALLOW = "DROP TRIGGER refuse ON ingest.checkpoints; DROP FUNCTION refuse; DROP SEQUENCE refusals"


async def test_while_the_database_takes_nothing_the_listener_asks_again_every_second_or_so(
    resources: Resources, pubsub: PubSubClient
) -> None:
    await resources.pool.execute(REFUSE)
    task = asyncio.create_task(listener(resources, pubsub, []).listen_forever())
    try:
        await until(resources.pool, "SELECT last_value >= 20 FROM refusals")
    finally:
        await resources.pool.execute(ALLOW)
    await until(resources.pool, "SELECT replay_id FROM ingest.checkpoints")
    task.cancel()


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


async def test_a_leader_that_is_frozen_loses_its_lead(resources: Resources, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leases.lock, "FROZEN_SECONDS", 3)
    monkeypatch.setattr(leases.held, "PROVE_SECONDS", 60)  # as if it were stopped, with its socket open
    leading: list[str] = []

    async def first() -> None:
        leading.append("frozen")
        await asyncio.sleep(60)

    async def second() -> None:
        leading.append("awake")
        await asyncio.sleep(60)

    tasks = [asyncio.create_task(lead(resources.pool, first))]
    await asyncio.sleep(0.3)
    tasks.append(asyncio.create_task(lead(resources.pool, second)))
    async with asyncio.timeout(PATIENCE_SECONDS):
        while "awake" not in leading:
            await asyncio.sleep(0.05)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def test_a_crash_in_the_middle_of_a_resync_begins_it_again(
    sandbox: Any, resources: Resources, pubsub: PubSubClient
) -> None:
    topic = resources.settings.salesforce_channel
    at = datetime(2026, 11, 1, tzinfo=UTC)
    await resources.pool.execute("INSERT INTO ingest.checkpoints VALUES ($1, $2, $3)", topic, b"\x7f" + bytes(9), at)
    crashing = listener(resources, pubsub, [])
    await crashing.feed.reject()
    resyncs: list[datetime | None] = []
    task = asyncio.create_task(listener(resources, pubsub, resyncs).listen_forever())
    try:
        await until(resources.pool, "SELECT 1 FROM read_model.feeds WHERE state = 'live'")
        assert resyncs == [at]
    finally:
        task.cancel()


async def test_a_stream_without_any_sign_of_life_is_given_up_and_shows_as_stalled(
    sandbox: Any, resources: Resources, pubsub: PubSubClient
) -> None:
    one = listener(resources, pubsub, [], silence_seconds=0.5)
    task = asyncio.create_task(one.listen_forever())
    try:
        await until(resources.pool, "SELECT 1 FROM read_model.feeds WHERE state = 'live'")
        as_of = await resources.pool.fetchval("SELECT as_of FROM read_model.feeds")
        (await sandbox.control.post("/salesforce/cdc", json={"kind": "silence", "on": True})).raise_for_status()
        error = await until(resources.pool, "SELECT error FROM read_model.feeds WHERE state = 'stalled'")
        assert "Silent" in error
        assert await resources.pool.fetchval("SELECT as_of FROM read_model.feeds") <= as_of + timedelta(seconds=2)
    finally:
        task.cancel()


async def test_a_token_that_is_revoked_in_the_middle_is_replaced_and_nothing_is_missed(
    sandbox: Any, resources: Resources, pubsub: PubSubClient
) -> None:
    task = asyncio.create_task(listener(resources, pubsub, []).listen_forever())
    try:
        await until(resources.pool, "SELECT 1 FROM read_model.feeds WHERE state = 'live'")
        (await sandbox.control.request("DELETE", "/salesforce/sessions")).raise_for_status()
        body = {"kind": "disconnect", "code": "sfdc.platform.eventbus.grpc.service.auth.error"}
        await sandbox.control.post("/salesforce/cdc", json=body)
        order_id = (await sandbox.control.get("/salesforce/orders")).json()["records"][0]["Id"]
        await sandbox.control.patch(f"/salesforce/orders/{order_id}", json={"Description": "while away"})
        await until(resources.pool, APPROVED, order_id)
    finally:
        task.cancel()


@pytest.mark.parametrize("kind", ["duplicate", "disconnect", "schema_bump"])
async def test_whatever_the_bus_does_the_next_change_arrives_once(
    sandbox: Any, resources: Resources, pubsub: PubSubClient, kind: str
) -> None:
    task = asyncio.create_task(listener(resources, pubsub, []).listen_forever())
    try:
        await until(resources.pool, "SELECT 1 FROM read_model.feeds WHERE state = 'live'")
        (await sandbox.control.post("/salesforce/cdc", json={"kind": kind, "object": "Order"})).raise_for_status()
        order_id = (await sandbox.control.get("/salesforce/orders")).json()["records"][1]["Id"]
        await sandbox.control.patch(f"/salesforce/orders/{order_id}", json={"Description": kind})
        await until(resources.pool, APPROVED, order_id)
        await sandbox.control.post("/salesforce/cdc", json={"kind": "duplicate", "count": 3})
        await asyncio.sleep(0.5)
        count = "SELECT count(*) FROM ingest.inbox WHERE origin = 'cdc' AND record_id = $1"
        assert await resources.pool.fetchval(count, order_id) == 1
    finally:
        task.cancel()


async def test_the_canary_comes_back_by_the_feed_and_is_missed_when_it_does_not(
    sandbox: Any, resources: Resources, pubsub: PubSubClient
) -> None:
    topic = resources.settings.salesforce_channel
    account_id = (await resources.salesforce.query("SELECT Id FROM Account ORDER BY Id LIMIT 1"))[0]["Id"]
    work = WorkerJobs(resources)
    fill = [whole async for whole in resync(resources.inbox, resources.salesforce, ["Account"], datetime.now(UTC))]
    assert fill
    path = ChangeEvents(resources.pool, resources.salesforce, topic, account_id)
    canary = CanaryFollower(resources.pool, path, patience_seconds=20)
    tasks = [
        asyncio.create_task(listener(resources, pubsub, []).listen_forever()),
        asyncio.create_task(work.keep_sweeping(0.1)),
    ]
    try:
        await until(resources.pool, "SELECT 1 FROM read_model.feeds WHERE state = 'live'")
        took = await canary.run_once()
        assert took is not None
        assert await resources.pool.fetchval("SELECT seen_at > sent_at FROM ingest.canaries")
        (await sandbox.control.post("/salesforce/cdc", json={"kind": "silence", "on": True})).raise_for_status()
        assert await CanaryFollower(resources.pool, path, patience_seconds=1).run_once() is None
        assert await resources.pool.fetchval("SELECT seen_at FROM ingest.canaries") is None
    finally:
        for task in tasks:
            task.cancel()
