"""Outages of engines, upstreams and the event bus under load; after each, every read model equals the truth."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import httpx
import pytest

from app.ingest.catch_up.reconcile import Reconcile
from app.ingest.refetch.upstreams import Upstreams
from app.resources import Resources
from tests.faults.conftest import assert_truth, settle
from tests.faults.load import Load
from tests.journey.conftest import Running

SEED = 20261121
FAULT_SECONDS = 3.0

Fault = Callable[[Running, httpx.AsyncClient], Awaitable[None]]


@pytest.fixture
async def control(running: Running) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=running.state["control_url"], timeout=30) as client:
        yield client
        await client.delete("/faults")


async def redis_flushed(running: Running, control: httpx.AsyncClient) -> None:
    from redis.asyncio import Redis

    async with Redis.from_url(running.state["redis_url"]) as redis:
        for _ in range(5):
            await redis.flushall()
            await asyncio.sleep(FAULT_SECONDS / 5)


async def redis_killed(running: Running, control: httpx.AsyncClient) -> None:
    running.kill("redis")
    await asyncio.sleep(FAULT_SECONDS)


async def postgres_killed(running: Running, control: httpx.AsyncClient) -> None:
    running.kill("postgres")
    await asyncio.sleep(FAULT_SECONDS)


def upstream(name: str, kind: str, **more: Any) -> Fault:
    async def fault(running: Running, control: httpx.AsyncClient) -> None:
        body = {"upstream": name, "kind": kind, "operation": "*", "count": 40, **more}
        (await control.post("/faults", json=body)).raise_for_status()
        await asyncio.sleep(FAULT_SECONDS)
        await control.delete("/faults")

    return fault


def bus(kind: str, **more: Any) -> Fault:
    async def fault(running: Running, control: httpx.AsyncClient) -> None:
        orders = (await control.get("/salesforce/Order")).json()["records"]
        body = {"kind": kind, "object": "Order", "ids": [each["Id"] for each in orders[:5]], **more}
        (await control.post("/salesforce/cdc", json=body)).raise_for_status()
        await asyncio.sleep(FAULT_SECONDS)

    return fault


FAULTS: dict[str, Fault] = {
    "redis flushed": redis_flushed,
    "redis killed": redis_killed,
    "postgres killed": postgres_killed,
    "billing down": upstream("whmcs", "down"),
    "billing slow": upstream("whmcs", "latency", seconds=0.5),
    "billing 503": upstream("whmcs", "status", status=503),
    "billing garbage": upstream("whmcs", "garbage"),
    "salesforce 429": upstream("salesforce", "status", status=429),
    "salesforce down": upstream("salesforce", "down"),
    "webhooks twice": upstream("whmcs", "duplicate_webhook"),
    "webhooks reordered": upstream("whmcs", "reorder_webhooks", count=10),
    "events twice": bus("duplicate", count=20),
    "bus disconnects": bus("disconnect"),
    "gap": bus("gap", swallow=20),
    "overflow": bus("overflow", swallow=20),
    "replay expired": bus("expire_replay"),
    "schema changed": bus("schema_bump"),
}


@pytest.mark.parametrize("name", FAULTS)
async def test_every_read_model_is_right_after(
    running: Running, resources: Resources, control: httpx.AsyncClient, name: str
) -> None:
    rows = await resources.pool.fetch("SELECT whmcs_client_id FROM portal.id_mappings")
    load = Load(running.state["control_url"], [row["whmcs_client_id"] for row in rows], SEED)
    changing = asyncio.create_task(load.run())
    try:
        await load.reached(5)
        await FAULTS[name](running, control)
        await load.reached(20)
    finally:
        changing.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await changing
    await assert_truth(resources)


async def test_webhooks_that_never_came_are_made_up_for_by_reconciliation(
    running: Running, resources: Resources, control: httpx.AsyncClient
) -> None:
    await upstream("whmcs", "drop_webhook", count=200)(running, control)
    rows = await resources.pool.fetch("SELECT whmcs_client_id FROM portal.id_mappings")
    body = {"upstream": "whmcs", "kind": "drop_webhook", "operation": "*", "count": 500}
    (await control.post("/faults", json=body)).raise_for_status()
    load = Load(running.state["control_url"], [row["whmcs_client_id"] for row in rows], SEED + 1)
    changing = asyncio.create_task(load.run())
    await load.reached(40)
    changing.cancel()
    await control.delete("/faults")
    await settle(resources)
    run = Reconcile(resources.pool, resources.inbox, Upstreams(resources.salesforce, resources.whmcs))
    found = [each async for each in run.whmcs(clients=100)]
    assert sum(each.differing for each in found) > 0
    await assert_truth(resources)
