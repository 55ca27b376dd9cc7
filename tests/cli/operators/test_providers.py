"""`portal providers` and `portal whm`, as an operator runs them."""

import asyncio
import json
from typing import Any

import asyncpg

from app.commands.providers.take_up import take_up
from app.processes.worker import WorkerJobs
from app.resources import open_resources
from app.settings import Settings
from tests.commands.conftest import Desk
from tests.commands.providers.provided import provided


async def test_drift_is_listed_repaired_and_explained(
    portal: Any, sandbox: Any, sandbox_settings: Settings, pool: asyncpg.Pool
) -> None:
    assert "0 provided services, no difference." in portal("providers", "drift").stdout
    async with open_resources(sandbox_settings) as resources:
        desk = Desk(resources, sandbox)
        await desk.open()
        service = await provided(desk, "hosting")
        await sandbox.control.patch(f"/whm/accounts/{service.name}", json={"suspendreason": "Abuse"})
        synced = await _while_working(
            desk, portal, "whm", "sync", "--customer", service.actor.whmcs_client_id, "--json"
        )
        report = json.loads(synced.stdout)
        assert report["sync"] == {"requested": 1, "shows": True}
        assert [each["kind"] for each in report["drift"]["items"]] == ["switched_off"]
        whole = await _while_working(desk, portal, "whm", "sync")
        assert "switched_off (by others)" in whole.stdout
        done = json.loads(portal("providers", "drift", "--repair", "--json").stdout)
        assert done["repaired"] == [service.subscription_id]
        await take_up(pool, resources.inbox)
        await service.follow()
        shown = portal("providers", "show", service.subscription_id).stdout
        assert "Staff must act: SUSPENDED_BY_OTHERS" in shown
        assert json.loads(portal("providers", "show", service.subscription_id, "--json").stdout)["steps"]
    unknown = portal("providers", "show", "99999999")
    assert (unknown.returncode, "service_not_provisioned" in unknown.stderr) == (1, True)
    nobody = portal("whm", "sync", "--customer", "nobody")
    assert (nobody.returncode, "account_not_found" in nobody.stderr) == (1, True)
    assert await pool.fetchval("SELECT detail ->> 'operator' FROM portal.audit WHERE action = 'provider.repair'")


async def _while_working(desk: Desk, portal: Any, *arguments: str) -> Any:
    """Run a command that waits for the worker, while the worker works."""
    running = asyncio.create_task(asyncio.to_thread(portal, *arguments))
    while not running.done():
        await WorkerJobs(desk.resources).sweep()
        await asyncio.sleep(0.05)
    return running.result()
