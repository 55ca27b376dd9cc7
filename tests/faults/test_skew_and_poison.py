"""Upstreams whose clocks are wrong, and a record that no projector can take, with real processes and under load."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import httpx
import pytest

from app.audit import Operator
from app.ingest.apply import resolve
from app.resources import Resources
from tests.faults import truth
from tests.faults.conftest import assert_truth
from tests.faults.load import Load
from tests.faults.oddities import TOO_LONG
from tests.journey.conftest import Running

SEED = 20261122
LOAD_SECONDS = 4.0
SKEW_SECONDS = 90
PARKED_SECONDS = 240


@pytest.fixture
async def control(running: Running) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=running.state["control_url"], timeout=30) as client:
        yield client


@contextlib.asynccontextmanager
async def load(running: Running, resources: Resources) -> AsyncIterator[Load]:
    rows = await resources.pool.fetch("SELECT whmcs_client_id FROM portal.id_mappings")
    work = Load(running.state["control_url"], [row["whmcs_client_id"] for row in rows], SEED)
    changing = asyncio.create_task(work.run())
    try:
        yield work
    finally:
        changing.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await changing


async def test_one_record_that_cannot_be_projected_holds_up_nobody_else(
    running: Running, resources: Resources, control: httpx.AsyncClient
) -> None:
    product = (await control.get("/salesforce/Product2")).json()["records"][0]
    path, sku = f"/salesforce/Product2/{product['Id']}", product["StockKeepingUnit"]
    async with load(running, resources) as work:
        (await control.put(f"{path}/raw", json={"StockKeepingUnit": TOO_LONG})).raise_for_status()
        parked = await _parked(resources)
        await work.reached(20)
    assert {(each["object"], each["record_id"]) for each in parked} == {("Product2", product["Id"])}
    (await control.patch(path, json={"StockKeepingUnit": sku, "Portal_Accessible__c": True})).raise_for_status()
    await _settled_but(resources, product["Id"])
    wrong = await truth.differences(resources)
    assert all(line.startswith("catalog ") and sku in line for line in wrong), wrong
    operator = Operator(name="test")
    while parked:
        await resolve.discard(resources.pool, resources.inbox.wake, [each["id"] for each in parked], operator, "mended")
        await asyncio.sleep(1)
        parked = await _open_letters(resources)
    await assert_truth(resources)


async def test_a_clock_that_goes_slow_or_fast_changes_nothing(
    running: Running, resources: Resources, control: httpx.AsyncClient
) -> None:
    """Last in the module: an upstream's own clock never goes back."""
    for offset in (0.5 * SKEW_SECONDS, SKEW_SECONDS):
        async with load(running, resources) as work:
            await asyncio.sleep(LOAD_SECONDS / 2)
            (await control.put("/clock", json={"offset_seconds": offset})).raise_for_status()
            await asyncio.sleep(LOAD_SECONDS / 2)
            await work.reached(20)
        await assert_truth(resources)


async def _parked(resources: Resources) -> list[dict[str, object]]:
    """Wait for a dead letter and return all of them."""
    async with asyncio.timeout(PARKED_SECONDS):
        while not (letters := await _open_letters(resources)):
            await asyncio.sleep(0.2)
    return letters


async def _open_letters(resources: Resources) -> list[dict[str, object]]:
    rows = await resources.pool.fetch("SELECT id, object, record_id FROM ingest.dead_letters WHERE resolved_at IS NULL")
    return [dict(row) for row in rows]


async def _settled_but(resources: Resources, record_id: str) -> None:
    """Until nothing is open but what waits behind the parked record."""
    open_ = "SELECT count(*) FROM ingest.inbox WHERE settled_at IS NULL AND record_id <> $1"
    async with asyncio.timeout(PARKED_SECONDS):
        while await resources.pool.fetchval(open_, record_id):
            await asyncio.sleep(0.2)
    await asyncio.sleep(1)
