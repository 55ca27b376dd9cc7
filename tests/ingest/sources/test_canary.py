"""Canaries, end to end: a feed that answers and delivers nothing is noticed, reported, and live again once it
delivers."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import asyncpg
import msgspec
import pytest
from redis.asyncio import Redis
from structlog.testing import capture_logs

from app.cli.doctor import engines
from app.cli.operators.lag import look
from app.cli.stack.canaries import canaries
from app.ingest.catch_up.reconcile import Reconcile
from app.ingest.lag.measure import measure
from app.ingest.lag.metrics import rendered
from app.ingest.lag.report import concerns
from app.ingest.refetch.upstreams import Upstreams
from app.ingest.sources import webhook_feed
from app.ingest.sources.canary import CanaryFollower, Webhooks
from app.integrations.salesforce.events.pubsub import PubSubClient
from app.processes.cdc import _follow
from app.processes.worker import WorkerJobs
from app.resources import Resources, open_resources
from app.settings import Settings
from tests.fixtures.linked import add_account, settle
from tests.http.real_server import on_server

LONG_SECONDS = 60
SILENT = "SELECT silent_since IS NOT NULL FROM read_model.feeds WHERE feed = $1"


@pytest.fixture
async def watched(
    sandbox: Any, sandbox_settings: Settings, pool: asyncpg.Pool, redis: Redis, tmp_path: Path
) -> AsyncIterator[Resources]:
    """A portal whose feeds are watched as those of `portal up` are, only faster."""
    named = await canaries(sandbox_settings, tmp_path)
    assert await canaries(sandbox_settings, tmp_path) == named
    settings = msgspec.structs.replace(
        sandbox_settings,
        salesforce_canary_account_id=named["SALESFORCE_CANARY_ACCOUNT_ID"],
        whmcs_canary_client_id=named["WHMCS_CANARY_CLIENT_ID"],
        canary_seconds=0.2,
        canary_patience_seconds=3.0,
    )
    async with open_resources(settings, pool_size=12) as opened:
        yield opened


async def until(pool: asyncpg.Pool, question: str, *values: object, wanted: bool = True) -> None:
    async with asyncio.timeout(LONG_SECONDS):
        while bool(await pool.fetchval(question, *values)) is not wanted:
            await asyncio.sleep(0.05)


async def about_webhooks(pool: asyncpg.Pool) -> list[str]:
    return [each for each in concerns(await measure(pool, ())) if "webhooks" in each]


async def test_a_feed_that_delivers_nothing_is_reported_and_reopened(sandbox: Any, watched: Resources) -> None:
    pool, topic = watched.pool, watched.settings.salesforce_channel
    pubsub = await PubSubClient.open(watched.settings, watched.salesforce)
    seen = "SELECT seen_at > $2 FROM ingest.canaries WHERE feed = $1"
    with capture_logs() as logs:
        tasks = [
            asyncio.create_task(_follow(watched, pubsub)),
            asyncio.create_task(WorkerJobs(watched).keep_sweeping(0.1)),
        ]
        try:
            began = await pool.fetchval("SELECT now()")
            await until(pool, seen, topic, began)
            await until(pool, SILENT, topic, wanted=False)
            (await sandbox.control.post("/salesforce/cdc", json={"kind": "silence", "seconds": 12})).raise_for_status()
            await until(pool, SILENT, topic)
            assert any(topic in each and "delivers nothing" in each for each in concerns(await measure(pool, [topic])))
            await until(pool, SILENT, topic, wanted=False)
            await until(pool, "SELECT state = 'live' FROM read_model.feeds WHERE feed = $1", topic)
            assert not [each for each in concerns(await measure(pool, [topic])) if "delivers nothing" in each]
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks, timeout=10)
            await pubsub.close()
    assert any(each["event"] == "feed_interrupted" and "asked to renew" in each["error"] for each in logs)


@contextlib.asynccontextmanager
async def hooked(sandbox: Any, resources: Resources) -> AsyncIterator[None]:
    """WHMCS's hook file sends to an API of ours."""
    async with on_server(resources.settings) as (_, port):
        target = {"url": f"http://127.0.0.1:{port}/webhooks/whmcs"}
        (await sandbox.control.put("/whmcs/webhook-target", json=target)).raise_for_status()
        try:
            yield
        finally:
            (await sandbox.control.put("/whmcs/webhook-target", json={"url": ""})).raise_for_status()


async def test_when_webhooks_stop_lag_doctor_and_metrics_say_so_within_the_patience(
    sandbox: Any, watched: Resources
) -> None:
    pool, feed = watched.pool, webhook_feed.WEBHOOKS
    path = Webhooks(pool, watched.whmcs, watched.settings.whmcs_canary_client_id)
    async with hooked(sandbox, watched):
        assert await CanaryFollower(pool, path, patience_seconds=LONG_SECONDS).run_once() is not None
        assert await pool.fetchval("SELECT now() - as_of < interval '1 minute' FROM read_model.feeds")
        assert await about_webhooks(pool) == []

        await sandbox.fault("whmcs", "drop_webhook", count=None)
        assert await CanaryFollower(pool, path, patience_seconds=1.5).run_once() is None
        assert await pool.fetchval(SILENT, feed)
        [sentence] = await about_webhooks(pool)
        assert "send.php --check" in sentence
        assert sentence in (await look(watched, timedelta(minutes=1))).concerns
        found = await engines.arriving(watched.settings)
        assert (found.status, "webhooks do not arrive" in found.detail) == ("failed", True)
        text = rendered(await measure(pool, ())).decode()
        assert f'portal_feed_state{{feed="{feed}",state="stalled"}} 1.0' in text

        await sandbox.clear_faults()
        assert await CanaryFollower(pool, path, patience_seconds=LONG_SECONDS).run_once() is not None
        assert await about_webhooks(pool) == []


async def test_without_a_canary_a_change_without_a_webhook_counts_against_the_hooks(
    sandbox: Any, resources: Resources
) -> None:
    pool, customer = resources.pool, sandbox.customer(with_whmcs=True)
    await add_account(pool, customer)
    run = Reconcile(pool, resources.inbox, Upstreams(resources.salesforce, resources.whmcs))
    client_id = str(customer["whmcs_client_id"])
    await run.whmcs_resource("client", [client_id])
    await settle(resources)
    await webhook_feed.delivered(pool)
    for quiet, told in (("1 minute", 0), ("20 minutes", 1)):
        await pool.execute("UPDATE read_model.feeds SET as_of = now() - $1::text::interval", quiet)
        change = {"firstname": f"Silent {told}", "silent": True}
        (await sandbox.control.patch(f"/whmcs/clients/{client_id}", json=change)).raise_for_status()
        assert (await run.whmcs_resource("client", [client_id])).differing == 1
        assert len(await about_webhooks(pool)) == told
        await settle(resources)
    await webhook_feed.delivered(pool)
    assert await about_webhooks(pool) == []


async def test_lag_is_not_well_while_an_upstream_or_redis_is_away(
    resources: Resources, sandbox_settings: Settings
) -> None:
    window = timedelta(minutes=1)
    await resources.pool.execute(
        "INSERT INTO read_model.upstreams (upstream, state, error) VALUES ('freebit', 'half_open', 'timed out')"
    )
    found = await look(resources, window)
    assert found.status == "degraded"
    assert any(each.startswith("freebit has not been called") and "timed out" in each for each in found.concerns)
    assert not any("Redis" in each for each in found.concerns)
    async with open_resources(msgspec.structs.replace(sandbox_settings, redis_url="redis://127.0.0.1:9/0")) as without:
        assert any("Redis does not answer" in each for each in (await look(without, window)).concerns)
