"""Checks of the jobs that run by the clock, of WHMCS's own daily run, and that no task of billing is done by two."""

import asyncpg

from app.cli.doctor.finding import Finding, Trouble, checked
from app.commands.billing.watch_automation import ObservedAutomation, ask
from app.db import open_pool
from app.errors import UpstreamAuthFailed
from app.integrations.whmcs.client import WhmcsClient
from app.processes.clock import registry
from app.schedule import billing_tasks, listing, money_stop
from app.settings import BILLING_TASKS, Settings

AREA = "automation"
ACTIONS = "Allow GetAutomationLog and GetConfigurationValue in the API role (deploy/whmcs/README.md)."

WRONG_ZONE = "Set WHMCS_TIME_ZONE to the zone of WHMCS's server."
NO_RUN = (
    "On WHMCS's server, check the cron job of crons/cron.php. Until it runs, WHMCS bills, charges and suspends nobody."
)


async def jobs(settings: Settings) -> Finding:
    """Check that every job that runs by the clock is registered, on time, and does not fail."""

    async def look() -> str:
        pool = await open_pool(settings.database_url, size=1)
        try:
            found = await listing.listed(pool)
        finally:
            await pool.close()
        missing = {each.name for each in registry.jobs(settings)} - {each.name for each in found}
        if missing:
            raise Trouble(f"never registered: {', '.join(sorted(missing))}", "Check that `portal worker` is running.")
        if sentences := listing.concerns([each for each in found if each.owner == "portal"]):
            raise Trouble(
                " ".join(sentences),
                "Check that `portal worker` and `portal cdc` are running; `portal schedule runs NAME` says how the "
                "job's runs ended.",
            )
        return f"{len(found)} jobs, none late"

    return await checked(AREA, "jobs", look, "Run `portal schedule` for details.")


async def stop(settings: Settings) -> Finding:
    """Check that no emergency stop is in force."""

    async def look() -> str:
        connection = await asyncpg.connect(settings.database_url, timeout=5)
        try:
            stopped = await money_stop.current(connection)
        finally:
            await connection.close(timeout=5)
        if stopped:
            raise Trouble(stopped.sentence, "Lift it with `portal automation resume` once its reason is gone.")
        return "jobs that move money may run"

    return await checked(AREA, "money stop", look, "Run `portal automation` for details.")


async def daily_run(settings: Settings) -> Finding:
    """Check that WHMCS's own daily run happened within the last 26 hours."""

    async def look() -> str:
        found = await _ask(settings)
        if found.concern:
            raise Trouble(found.concern, WRONG_ZONE if found.clock_off else NO_RUN)
        return f"WHMCS's daily run was at {found.last_run_at:%Y-%m-%d %H:%M} UTC"

    return await checked(AREA, "daily run", look, ACTIONS)


async def automators(settings: Settings) -> Finding:
    """Check that every task of billing is automated by one side: not by both, and not by nobody."""

    async def look() -> str:
        if nobody := registry.unclaimed(settings):
            names = ", ".join(f"AUTOMATE_{task.upper()}" for task in nobody)
            raise Trouble(
                f"nobody does {', '.join(nobody)}: this release has no job for what is set to portal",
                f"Set {names} to whmcs, and switch it on in WHMCS.",
            )
        ours = [task for task in BILLING_TASKS if settings.automator_of(task) == "portal"]
        if ours and (both := await _objections(settings)):
            raise Trouble(
                " ".join(both),
                "Switch the task off in WHMCS (Automation Settings), or set its AUTOMATE_… to whmcs. Until then the "
                f"portal does not do it. {ACTIONS}",
            )
        return "WHMCS automates everything" if not ours else f"the portal automates {', '.join(ours)}"

    return await checked(AREA, "who automates", look, ACTIONS)


async def _ask(settings: Settings) -> ObservedAutomation:
    client = await WhmcsClient.open(settings)
    try:
        return await ask(client, settings.whmcs_time_zone)
    except UpstreamAuthFailed as error:
        raise Trouble("the API role does not allow what the portal asks about WHMCS's automation", ACTIONS) from error
    finally:
        await client.close()


async def _objections(settings: Settings) -> list[str]:
    """Judge what WHMCS says now, together with since when a task is the portal's."""
    now = {each.task: each for each in (await _ask(settings)).tasks}
    connection = await asyncpg.connect(settings.database_url, timeout=5)
    try:
        known = {each.task: each for each in await billing_tasks.listed(connection)}
    finally:
        await connection.close(timeout=5)
    ours = [task for task in BILLING_TASKS if settings.automator_of(task) == "portal"]
    found = (
        billing_tasks.objection(task, billing_tasks.updated(known.get(task), now[task]), settings.whmcs_time_zone)
        for task in ours
    )
    return [each for each in found if each]
