"""WHMCS's daily run is watched, and no task of billing is done by two."""

from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from msgspec import structs

from app.commands.billing.watch_automation import ObservedAutomation, ask, watch_automation
from app.integrations.whmcs.client import WhmcsClient
from app.processes.clock import registry
from app.resources import Resources
from app.schedule import billing_tasks, clock_jobs, listing
from app.schedule.billing_tasks import TaskState, conflicts, objection
from app.schedule.listing import WHMCS_DAILY_RUN
from app.settings import BILLING_TASKS, Settings

TOKYO = ZoneInfo("Asia/Tokyo")


async def say(sandbox: Any, **automation: Any) -> None:
    (await sandbox.control.put("/whmcs/automation", json=automation)).raise_for_status()


def ago(hours: float) -> str:
    return (datetime.now(TOKYO) - timedelta(hours=hours)).strftime("%Y-%m-%d %H:%M:%S")


async def daily_run(resources: Resources) -> listing.ListedJob:
    await clock_jobs.register(resources.pool, registry.registrations(resources.settings))
    await watch_automation(resources.context)
    return next(each for each in await listing.listed(resources.pool) if each.name == WHMCS_DAILY_RUN)


def given(resources: Resources, **automators: str) -> Resources:
    return structs.replace(resources, settings=structs.replace(resources.settings, **automators))


async def test_a_daily_run_that_happened_is_in_the_list(sandbox: Any, resources: Resources) -> None:
    await sandbox.control.post("/whmcs/daily-run")
    row = await daily_run(resources)
    assert (row.owner, row.state, row.last_outcome, row.concern) == ("whmcs", "elsewhere", "done", None)
    assert row.last_done_at is not None
    assert row.next_run_at == row.last_done_at + timedelta(hours=24)
    assert row.now - row.last_done_at < timedelta(minutes=1)


@pytest.mark.parametrize(("hours", "overdue"), [(1, False), (25.9, False), (26.1, True), (800, True)])
async def test_one_that_has_not_happened_for_26_hours_is_a_finding(
    sandbox: Any, resources: Resources, hours: float, overdue: bool
) -> None:
    await say(sandbox, by_itself=False, last_run=ago(hours))
    row = await daily_run(resources)
    assert (row.state == "overdue") is overdue
    found = await ask(resources.whmcs, resources.settings.whmcs_time_zone)
    assert (found.concern is not None) is overdue


async def test_one_that_never_happened_is_a_finding(sandbox: Any, resources: Resources) -> None:
    await say(sandbox, by_itself=False, last_run="")
    row = await daily_run(resources)
    assert row.state == "overdue"
    assert row.concern is not None
    assert "never" in row.concern


async def test_what_was_known_grows_old_while_whmcs_is_away(sandbox: Any, resources: Resources) -> None:
    await say(sandbox, by_itself=False, last_run=ago(25))
    assert (await daily_run(resources)).state == "elsewhere"
    await resources.pool.execute(
        "UPDATE portal.clock_jobs SET last_done_at = last_done_at - interval '2 hours', "
        "next_run_at = next_run_at - interval '2 hours' WHERE name = $1",
        WHMCS_DAILY_RUN,
    )
    await clock_jobs.register(resources.pool, registry.registrations(resources.settings))
    row = next(each for each in await listing.listed(resources.pool) if each.name == WHMCS_DAILY_RUN)
    assert row.state == "overdue"


async def test_a_clock_in_another_zone_than_the_setting_says_is_told(sandbox: Any, resources: Resources) -> None:
    async def asked(zone: str) -> ObservedAutomation:
        whmcs = await WhmcsClient.open(structs.replace(resources.settings, whmcs_time_zone=zone))
        try:
            return await ask(whmcs, zone)
        finally:
            await whmcs.close()

    found = await asked("Europe/Berlin")
    assert found.last_run_at is None
    assert found.concern is not None
    assert "WHMCS_TIME_ZONE" in found.concern
    assert (await asked("Asia/Seoul")).concern is None  # the same clock


async def test_both_automating_a_task_is_found_by_its_switch(sandbox: Any, resources: Resources) -> None:
    ours = given(resources, automate_suspension="portal")
    await say(sandbox, configuration={"AutoSuspension": "on"})
    await watch_automation(ours.context)
    [said] = conflicts(await billing_tasks.listed(ours.pool), "Asia/Tokyo")
    assert "suspension: both automate it" in said
    await say(sandbox, configuration={"AutoSuspension": ""})
    await watch_automation(ours.context)
    assert conflicts(await billing_tasks.listed(ours.pool), "Asia/Tokyo") == []


async def test_both_automating_a_task_is_found_by_what_the_daily_run_did(sandbox: Any, resources: Resources) -> None:
    today = datetime.now(TOKYO).date()
    await say(sandbox, planted={str(today - timedelta(days=2)): {"ProcessCreditCardPayments": {"captured": "4"}}})
    ours = given(resources, automate_captures="portal")
    await watch_automation(ours.context)
    assert conflicts(await billing_tasks.listed(ours.pool), "Asia/Tokyo") == []  # before the hand-over
    await ours.pool.execute("UPDATE portal.billing_tasks SET automator_since = now() - interval '5 days'")
    [said] = conflicts(await billing_tasks.listed(ours.pool), "Asia/Tokyo")
    assert f"captures: both automate it. WHMCS's daily run did it on {today - timedelta(days=2)}" in said


@pytest.mark.parametrize("denied", [["getconfigurationvalue"], []])
async def test_what_cannot_be_read_counts_as_done_by_whmcs(
    sandbox: Any, resources: Resources, denied: list[str]
) -> None:
    await sandbox.control.put("/whmcs/access", json={"denied_actions": denied})
    if not denied:
        await say(sandbox, planted="....")
    ours = given(resources, **{f"automate_{task}": "portal" for task in BILLING_TASKS})
    await watch_automation(ours.context)
    found = {each.task: each.whmcs_switch for each in await billing_tasks.listed(ours.pool)}
    assert found == {task: "none" if denied and task == "captures" else "unknown" for task in BILLING_TASKS}
    assert len(conflicts(await billing_tasks.listed(ours.pool), "Asia/Tokyo")) == 4 + (not denied)


async def test_the_hand_over_is_remembered_and_starts_again_with_the_next(resources: Resources) -> None:
    async def since() -> Any:
        await watch_automation(ours.context)
        return (await billing_tasks.listed(ours.pool))[0].automator_since

    ours = given(resources, automate_captures="portal")
    first = await since()
    assert await since() == first
    ours = given(resources)
    assert await since() > first


def state(**more: Any) -> TaskState:
    since = datetime(2026, 11, 10, 18, 0, tzinfo=ZoneInfo("UTC"))  # the eleventh in Tokyo
    plain: dict[str, Any] = {"task": "captures", "automator": "portal", "automator_since": since}
    return TaskState(**{**plain, "whmcs_switch": "off", "whmcs_did_on": None, "age_seconds": 60.0, **more})


@pytest.mark.parametrize(
    ("found", "objects"),
    [
        (state(), False),
        (state(whmcs_switch="none"), False),
        (state(whmcs_switch="on"), True),
        (state(whmcs_switch="unknown"), True),
        (state(age_seconds=26 * 3600 + 1), True),
        (state(automator="whmcs"), True),
        (None, True),
        (state(whmcs_did_on=datetime(2026, 11, 10).date()), False),
        (state(whmcs_did_on=datetime(2026, 11, 11).date()), False),
        (state(whmcs_did_on=datetime(2026, 11, 12).date()), True),
    ],
)
def test_who_may_do_a_task(found: TaskState | None, objects: bool) -> None:
    assert (objection("captures", found, "Asia/Tokyo") is not None) is objects


def test_a_task_that_nobody_would_do_is_named(sandbox_settings: Settings) -> None:
    assert registry.unclaimed(sandbox_settings) == []
    settings = structs.replace(sandbox_settings, automate_late_fees="portal")
    assert registry.unclaimed(settings) == ["late_fees"]
    rows = {each.name: each.owner for each in registry.registrations(settings)}
    assert (rows["late_fees"], rows["captures"], rows["invoices"]) == ("portal", "whmcs", "whmcs")
