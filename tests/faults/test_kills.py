"""Fifty processes killed at random instants under load: nothing is lost, nothing is there twice."""

import asyncio
import os
from typing import Any

from app.resources import Resources
from tests.faults.conftest import Victims, assert_truth
from tests.faults.load import Load
from tests.journey.conftest import Running

SEED = int(os.environ.get("FAULT_SEED", "20261121"))
KILLS = 50


async def test_nothing_is_lost_when_processes_die_at_random_instants_under_load(
    running: Running, resources: Resources, environment: dict[str, str]
) -> None:
    rows = await resources.pool.fetch("SELECT whmcs_client_id FROM portal.id_mappings")
    clients = [row["whmcs_client_id"] for row in rows]
    assert len(clients) >= 10
    load: Any = Load(running.state["control_url"], clients, SEED)
    victims = Victims(environment, SEED)
    changing = asyncio.create_task(load.run())
    try:
        victims.start("worker", "cdc")
        for name in ("worker", "cdc", "api"):
            running.kill(name)  # the stack's own die too, and come back later each time
        await victims.kill_some(KILLS - 6, (0.3, 1.3))
        for name in ("worker", "cdc", "api"):
            running.kill(name)
        await load.reached(200)
    finally:
        changing.cancel()
    try:
        assert len(set(victims.killed)) + 6 == KILLS
        await assert_truth(resources)
    finally:
        victims.stop()
