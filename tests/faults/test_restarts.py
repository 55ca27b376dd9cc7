"""Workers and listeners are replaced one after the other under load, as a release does it: no job is lost or done
twice, no event is missing, nobody complains, and customers' orders go through meanwhile."""

import asyncio
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from app.resources import Resources
from tests.faults.books import Books
from tests.faults.conftest import assert_truth
from tests.faults.load import Load
from tests.faults.shoppers import Market, shoppers
from tests.fixtures.restarts import Process
from tests.journey.conftest import Running

SEED = int(os.environ.get("FAULT_SEED", "20261121"))
ROUNDS = 3
SHOPPERS = 4
FULFILMENTS = "SELECT count(*) FROM portal.fulfilments WHERE state = ANY($1::text[])"


class Shift:
    """A worker and a listener next to those of the stack, each relieved by a fresh one that is ready first."""

    def __init__(self, environment: dict[str, str], home: Path) -> None:
        self._environment, self._home = environment, home
        self.on_duty: dict[str, Process] = {}

    async def relieve(self, name: str) -> None:
        fresh = Process(name, self._environment, self._home)
        await asyncio.to_thread(fresh.until_ready)
        leaving, self.on_duty[name] = self.on_duty.get(name), fresh
        if leaving is not None:
            await asyncio.to_thread(leaving.stop)
            assert leaving.complaints() == []

    async def end(self) -> None:
        for process in self.on_duty.values():
            await asyncio.to_thread(process.stop)


@pytest.fixture
async def shift(environment: dict[str, str], tmp_path: Path) -> AsyncIterator[Shift]:
    made = Shift(environment | {"LOG_FORMAT": "json", "LOG_LEVEL": "warning"}, tmp_path)
    yield made
    for process in made.on_duty.values():
        process.process.kill()
        process.process.wait()


async def test_workers_and_listeners_are_relieved_under_load_and_nothing_is_lost(
    running: Running, resources: Resources, shift: Shift
) -> None:
    payers = [each for each in running.state["customers"] if each["whmcs_client_id"] and each["has_payment_method"]]
    everybody = await shoppers(resources, payers[:SHOPPERS])
    clients = [str(each["whmcs_client_id"]) for each in payers[SHOPPERS : SHOPPERS + 12]]
    load = Load(running.state["control_url"], clients, SEED)
    market = Market(running.state["api_url"], running.state["control_url"], SEED)
    books = Books(resources, running.state["control_url"])
    changing = asyncio.create_task(load.run())
    shopping = asyncio.create_task(market.shop(everybody, seconds=ROUNDS * 4))
    try:
        for _ in range(ROUNDS):
            await shift.relieve("worker")
            await shift.relieve("cdc")
            running.stop("worker")  # the stack's own are replaced too, each by its supervisor
            running.stop("cdc")
        await shopping
        await load.reached(200)
        changing.cancel()
        await _until_fulfilled(resources)
        await shift.end()
        await assert_truth(resources)
        assert await resources.pool.fetchval(FULFILMENTS, ["failed", "paused"]) == 0
        assert await books.wrong(everybody) == []
        assert books.tally["done"] >= SHOPPERS / 2, dict(books.tally)
    finally:
        changing.cancel()
        shopping.cancel()
        await books.close()
        await market.close()


async def _until_fulfilled(resources: Resources) -> None:
    """Every order that staff approved stands activated."""
    async with asyncio.timeout(240):
        while await resources.pool.fetchval(FULFILMENTS, ["running", "paused"]):
            await asyncio.sleep(0.3)
