"""Ask WHMCS about its own automation: whether its daily run happened, and whether it does what a setting gives to the
portal.

Reads: WHMCS automation log and settings. Writes: portal.billing_tasks, portal.clock_jobs.
"""

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from msgspec import Struct

from app import clock
from app.commands.execution.context import Context
from app.integrations.whmcs.automation import SWITCHES
from app.integrations.whmcs.client import WhmcsClient
from app.schedule import billing_tasks, clock_jobs
from app.schedule.billing_tasks import MOST_AGE_SECONDS, Observed, WhmcsSwitch
from app.schedule.listing import WHMCS_DAILY_RUN
from app.settings import BILLING_TASKS, BillingTask

PERIOD = timedelta(hours=24)
GRACE_SECONDS = MOST_AGE_SECONDS - PERIOD.total_seconds()
LOOK_BACK = timedelta(days=7)
MOST_CLOCK_DIFFERENCE = timedelta(minutes=70)
"""WHMCS's clock, read in `WHMCS_TIME_ZONE`, may differ by an hour when daylight saving time ends, and by a few minutes
at any time."""


class ObservedAutomation(Struct, frozen=True):
    """What WHMCS said. `clock_off` is set when its clock and `WHMCS_TIME_ZONE` do not fit together."""

    asked_at: datetime
    last_run_at: datetime | None
    tasks: list[Observed]
    clock_off: timedelta | None

    @property
    def concern(self) -> str | None:
        """One sentence about the daily run; None if it happened in time."""
        if self.clock_off:
            hours = self.clock_off.total_seconds() / 3_600
            return f"WHMCS's clock is {hours:+.1f} h away from WHMCS_TIME_ZONE, so its times cannot be told."
        if self.last_run_at is None:
            return "WHMCS's daily run has never happened, as far as WHMCS says."
        age_seconds = (self.asked_at - self.last_run_at).total_seconds()
        if age_seconds > MOST_AGE_SECONDS:
            return f"WHMCS's daily run has not happened for {age_seconds / 3_600:,.0f} h."
        return None


async def ask(whmcs: WhmcsClient, zone: str) -> ObservedAutomation:
    """Read WHMCS's automation log and the switches of its tasks.

    Raises:
        UpstreamError
    """
    now = clock.now()
    log = await whmcs.automation_log((now - LOOK_BACK).astimezone(ZoneInfo(zone)).date())
    difference = log.clock - now if log.clock else None
    clock_off = difference if difference and abs(difference) > MOST_CLOCK_DIFFERENCE else None
    tasks = [Observed(task, *await _of_task(whmcs, task, log.did)) for task in BILLING_TASKS]
    return ObservedAutomation(now, None if clock_off else log.last_run_at, tasks, clock_off)


async def _of_task(
    whmcs: WhmcsClient, task: BillingTask, did: Mapping[BillingTask, date] | None
) -> tuple[WhmcsSwitch, date | None]:
    """Return a task's switch and the last day of its work. Statistics that cannot be read prove nothing."""
    if did is None:
        return "unknown", None
    if task not in SWITCHES:
        return "none", did.get(task)
    on = await whmcs.is_switched_on(task)
    return ("unknown" if on is None else "on" if on else "off"), did.get(task)


async def watch_automation(ctx: Context) -> str:
    """Ask WHMCS and record what it said.

    Raises:
        UpstreamError: WHMCS was away, or the API role lacks an action.
    """
    found = await ask(ctx.whmcs, ctx.settings.whmcs_time_zone)
    for each in found.tasks:
        await billing_tasks.record(ctx.pool, ctx.settings.automator_of(each.task), each)
    said = found.concern or f"WHMCS's daily run was at {found.last_run_at:%Y-%m-%d %H:%M} UTC."
    next_run_at = (found.last_run_at or datetime.fromtimestamp(0, UTC)) + PERIOD
    await clock_jobs.note_observed(
        ctx.pool, WHMCS_DAILY_RUN, found.last_run_at, None if found.concern else "done", said, next_run_at
    )
    return said
