"""`portal doctor` about jobs by the clock: late ones, a daily run that did not happen, a task of two or of nobody."""

from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import asyncpg
import pytest
from msgspec import structs

from app.audit import Operator
from app.cli.doctor import automation
from app.commands.billing.watch_automation import watch_automation
from app.processes.clock import registry
from app.resources import Resources
from app.schedule import clock_jobs, money_stop
from app.settings import Settings

TOKYO = ZoneInfo("Asia/Tokyo")


async def say(sandbox: Any, **said: Any) -> None:
    (await sandbox.control.put("/whmcs/automation", json=said)).raise_for_status()


@pytest.fixture
async def registered(pool: asyncpg.Pool, sandbox: Any, sandbox_settings: Settings) -> Settings:
    await clock_jobs.register(pool, registry.registrations(sandbox_settings))
    return sandbox_settings


async def test_all_is_well(registered: Settings) -> None:
    for check in (automation.jobs, automation.stop, automation.daily_run, automation.automators):
        found = await check(registered)
        assert found.status == "ok", found


async def test_a_job_that_is_late_is_named(registered: Settings, pool: asyncpg.Pool) -> None:
    await pool.execute("UPDATE portal.clock_jobs SET next_run_at = now() - interval '2 hours' WHERE name = 'clean'")
    found = await automation.jobs(registered)
    assert (found.status, "clean is overdue by 7,2" in found.detail) == ("failed", True)
    assert "portal worker" in found.advice
    await pool.execute("UPDATE portal.clock_jobs SET next_run_at = now(), failures = 3, last_outcome = 'failed'")
    found = await automation.jobs(registered)
    assert "clean has failed 3 times in a row" in found.detail


async def test_jobs_that_no_worker_ever_registered(registered: Settings, pool: asyncpg.Pool) -> None:
    await pool.execute("DELETE FROM portal.clock_jobs WHERE name = 'mail'")
    found = await automation.jobs(registered)
    assert (found.status, found.detail) == ("failed", "never registered: mail")


async def test_an_emergency_stop_is_a_finding(registered: Settings, pool: asyncpg.Pool) -> None:
    await money_stop.stop(pool, Operator(name="aya"), "double charges")
    found = await automation.stop(registered)
    assert (found.status, "double charges" in found.detail) == ("failed", True)
    assert "portal automation resume" in found.advice


async def test_a_daily_run_that_did_not_happen(registered: Settings, sandbox: Any) -> None:
    last = (datetime.now(TOKYO) - timedelta(hours=50)).strftime("%Y-%m-%d %H:%M:%S")
    await say(sandbox, by_itself=False, last_run=last)
    found = await automation.daily_run(registered)
    assert (found.status, "has not happened for 50 h" in found.detail) == ("failed", True)
    assert "cron.php" in found.advice


async def test_a_wrong_time_zone_is_named(registered: Settings) -> None:
    found = await automation.daily_run(structs.replace(registered, whmcs_time_zone="UTC"))
    assert (found.status, "WHMCS_TIME_ZONE" in found.advice) == ("failed", True)


async def test_a_role_without_the_actions_is_named(registered: Settings, sandbox: Any) -> None:
    await sandbox.control.put("/whmcs/access", json={"denied_actions": ["GetAutomationLog"]})
    found = await automation.daily_run(registered)
    assert (found.status, "GetAutomationLog" in found.advice) == ("failed", True)


async def test_a_task_that_nobody_does(registered: Settings) -> None:
    found = await automation.automators(structs.replace(registered, automate_termination="portal"))
    assert (found.status, "nobody does termination" in found.detail) == ("failed", True)
    assert "AUTOMATE_TERMINATION" in found.advice


async def test_a_task_that_both_do(registered: Settings, sandbox: Any, resources: Resources) -> None:
    ours = structs.replace(registered, automate_suspension="portal")
    found = await automation.automators(ours)
    assert (found.status, "not been checked" in found.detail) == ("failed", True)
    await watch_automation(structs.replace(resources, settings=ours).context)
    assert (await automation.automators(ours)).detail == "the portal automates suspension"
    await say(sandbox, configuration={"AutoSuspension": "on"})
    found = await automation.automators(ours)  # asked now, not when the worker last asked
    assert (found.status, "suspension: both automate it" in found.detail) == ("failed", True)
    assert "Until then the portal does not do it" in found.advice
