"""By default WHMCS charges, suspends and restores by its own daily run: the portal does none of it, and the providers
of what it provisioned follow."""

from datetime import timedelta

import msgspec
import pytest

from app.processes.clock import registry
from app.processes.clock.runner import run_job
from app.schedule import clock_jobs
from app.settings import Settings
from tests.commands.dunning.collecting import DECLINED, MONDAY, Collecting
from tests.commands.providers.provided import Provided, provided

AUTOMATION = {"with_clock": True, "configuration": {"AutoSuspension": "on", "AutoUnsuspend": "on"}}
OWN_WRITES = ("CapturePayment", "ModuleSuspend", "ModuleUnsuspend", "UpdateClientProduct", "UpdateInvoice")


@pytest.fixture
def collecting_settings(sandbox_settings: Settings) -> Settings:
    """Nothing is said of who automates what."""
    usual = msgspec.structs.replace(sandbox_settings)
    assert (usual.automator_of("captures"), usual.automator_of("suspension")) == ("whmcs", "whmcs")
    return usual


async def run_all(c: Collecting) -> dict[str, str]:
    """Let the runner run every job that could have to do with it; outcome by name."""
    resources, outcomes = c.desk.resources, {}
    for job in registry.jobs(resources.settings):
        if job.name in ("captures", "suspension", "dunning", "dunning-news", "doubts", "providers"):
            ended = await run_job(resources, job, forced_by="aya")
            assert ended is not None
            outcomes[job.name] = ended.outcome
    await c.desk.settle()
    return outcomes


async def heard(c: Collecting, service: Provided, invoice: str) -> None:
    """The portal hears of both, and whatever it waits for has passed."""
    await c.desk.reread("service", service.subscription_id)
    await c.desk.reread("invoice", invoice)
    await service.hurry()


async def own_writes(c: Collecting) -> int:
    calls = [each["operation"] for each in await c.desk.sandbox.calls("whmcs")]
    return sum(calls.count(each) for each in OWN_WRITES)


@pytest.mark.parametrize("category", ["hosting", "sim"])
async def test_whmcs_leads_and_the_providers_follow(collecting: Collecting, category: str) -> None:
    c, pool = collecting, collecting.desk.pool
    await pool.execute("DELETE FROM portal.billing_tasks")
    await clock_jobs.register(pool, registry.registrations(c.desk.resources.settings))
    service = await provided(c.desk, category)
    await c.card(service.actor, DECLINED, only=True)
    invoice = await c.bill(service.actor, MONDAY, service.subscription_id)
    await service.billing(nextduedate=str(MONDAY))
    await c.move_to(MONDAY - timedelta(days=1))
    (await c.desk.sandbox.control.put("/whmcs/automation", json=AUTOMATION)).raise_for_status()
    writes = await own_writes(c)
    for number in range(8):
        await c.move_to(MONDAY + timedelta(days=number))
        await heard(c, service, invoice)
        outcomes = await run_all(c)
        assert (outcomes["captures"], outcomes["suspension"]) == ("withheld", "withheld")
        assert await c.status(service.subscription_id) == ("Suspended" if number >= 5 else "Active")
        await follows(service, suspended=number >= 5)
    tried_at = (await c.whmcs("invoices", invoice))["last_capture_attempt"]
    assert tried_at.startswith(str(MONDAY + timedelta(days=7))), "WHMCS charges every day"
    await c.pay(invoice, gateway="banktransfer")
    await heard(c, service, invoice)
    await run_all(c)
    assert await c.status(service.subscription_id) == "Active"
    await follows(service, suspended=False)
    assert await own_writes(c) == writes
    counted = "SELECT (SELECT count(*) FROM portal.dunning) + (SELECT count(*) FROM portal.capture_attempts)"
    assert await pool.fetchval(counted) == 0


async def follows(service: Provided, *, suspended: bool) -> None:
    """Compare WHM's account, or what staff know of the line, with what WHMCS says."""
    journal = await service.journal()
    if await service.account() is None:
        task = "LINE_CANNOT_BE_SUSPENDED" if suspended else None
        assert ((await service.line())["state"], journal["task_code"]) == ("active", task)
        return
    account = await service.account()
    assert account is not None
    assert bool(account["suspended"]) == suspended, journal
