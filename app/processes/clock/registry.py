"""Every job that the portal runs by the clock: one line each.

What only keeps the buffers of one process (metrics, counters, sessions in use) is no job: nothing of it has to happen.
"""

from collections.abc import Iterator
from typing import Any

from app.commands.billing.watch_automation import GRACE_SECONDS
from app.commands.dunning.policy import policies
from app.commands.dunning.schedule import calendar_of
from app.processes import chores, dunning
from app.processes.clock import canaries, previews
from app.processes.clock.job import ClockJob
from app.processes.compare_prices import compare_prices
from app.schedule.clock_jobs import Owner, Registration
from app.schedule.listing import WHMCS_DAILY_RUN
from app.schedule.timing import Cron, Every
from app.settings import BILLING_TASKS, BillingTask, Settings

HOUR = 3_600.0
DAY = 24 * HOUR
WHMCS_TASKS: dict[BillingTask, str] = {
    "captures": "Charge due invoices.",
    "late_fees": "Add late fees to overdue invoices.",
    "reminders": "Remind customers of unpaid invoices.",
    "suspension": "Suspend services with overdue invoices.",
    "termination": "Terminate services with invoices long overdue.",
}
WHMCS_ALONE = {
    WHMCS_DAILY_RUN: "WHMCS's daily run: invoices, renewals, and the tasks that WHMCS automates.",
    "invoices": "Generate invoices and renewals.",
}
"""What WHMCS's daily run does and the portal never does."""
_BILLING_TASK: dict[str, Any] = {"moves_money": True, "most_seconds": 4 * HOUR}


_USUAL = (
    ClockJob("fanout", Every(1), "Recompute rows that refer to a changed record.", chores.fan_out, most_seconds=HOUR),
    ClockJob("mail", Every(1), "Send the mails that are due.", chores.send_mail),
    ClockJob("exports", Every(2), "Make the copies of their data that customers asked for.", chores.make_exports),
    ClockJob("queue", Every(2), "Run commands that waited for an upstream.", chores.run_queued),
    ClockJob("doubts", Every(30), "Look again at charges that nobody answered.", chores.look_at_captures),
    ClockJob("plans", Every(1), "Apply paid changes of plan to the provider.", chores.follow_plans),
    ClockJob("providers", Every(2), "Let providers follow billing.", chores.follow_providers),
    ClockJob("scheduled", Every(5), "Make scheduled changes of plan.", chores.make_scheduled, moves_money=True),
    ClockJob("eligibility", Every(60), "Record addresses that staff checked unnamed.", chores.record_checked_addresses),
    ClockJob("dunning-news", Every(2), "Show customers what dunning did.", chores.show_dunning),
    ClockJob("merges", Every(10), "Follow customers whom staff merged upstream.", chores.follow_merges),
    ClockJob("salesforce", Every(60), "Report customers to Salesforce.", chores.report_customers),
    ClockJob("rebuild", Every(30), "Rebuild raised or requested read models.", chores.rebuild_raised, most_seconds=DAY),
    ClockJob("prices", Every(60), "Compare the price book with WHMCS's own prices.", compare_prices),
    ClockJob("clean", Cron("*/10 * * * *"), "Delete what is no longer needed.", chores.clean),
    ClockJob("automation", Every(900), "Ask WHMCS about its own automation.", chores.watch_automation),
)
"""The jobs of every installation, which no setting changes."""


def jobs(settings: Settings) -> list[ClockJob]:
    """Return the jobs of this installation, whichever process runs them.

    Raises:
        SettingsError: the policies of dunning cannot be used.
    """
    policies(settings)
    calendar_of(settings)
    return previews.added([*_USUAL, *_billing(settings), *_configured(settings)])


def _billing(settings: Settings) -> Iterator[ClockJob]:
    """Yield the jobs that charge, suspend and restore."""
    captures, suspension = WHMCS_TASKS["captures"], WHMCS_TASKS["suspension"]
    about = "End the dunning of what was paid, and restore services."
    yield ClockJob("dunning", Every(2), about, dunning.follow_dunning)
    yield ClockJob("captures", Every(60), captures, units=dunning.captures, task="captures", **_BILLING_TASK)
    daily = Cron("0 10 * * *", settings.whmcs_time_zone)
    yield ClockJob("suspension", daily, suspension, units=dunning.suspension, task="suspension", **_BILLING_TASK)


def _configured(settings: Settings) -> Iterator[ClockJob]:
    """Yield the jobs whose period is a setting, and those that an installation may do without."""
    s, canary = settings, Every(settings.canary_seconds)
    yield ClockJob("sweep", Every(s.sweep_seconds), "Find work whose wake-up was lost. Every worker does it by itself.")
    if s.case_sweep_seconds:
        yield ClockJob("cases", Every(s.case_sweep_seconds), "Read changed support cases.", chores.sweep_cases)
    if s.whm_sync_seconds:
        yield ClockJob("whm", Every(s.whm_sync_seconds), "Read WHM's list of accounts.", chores.read_hosting)
    if s.reconcile_seconds:
        yield ClockJob("reconcile", Every(s.reconcile_seconds), "Compare upstreams with the mirror.", chores.reconcile)
    if s.salesforce_canary_account_id:
        about = "Follow a canary through Salesforce's change feed."
        yield ClockJob("canary-changes", canary, about, canaries.follow_change_events, process="cdc")
    if s.whmcs_canary_client_id:
        about = "Follow a canary through WHMCS's webhooks."
        yield ClockJob("canary-webhooks", canary, about, canaries.follow_webhooks, process="cdc")


def registrations(settings: Settings) -> list[Registration]:
    """Return the rows of all jobs, and of what WHMCS runs by its own clock."""
    own = [each.registration(settings) for each in jobs(settings) if not _is_whmcs(settings, each.task)]
    named = {each.name for each in own}
    others = [_by_whmcs(settings, name, about, "whmcs") for name, about in WHMCS_ALONE.items()]
    for task, about in WHMCS_TASKS.items():
        if task not in named:
            others.append(_by_whmcs(settings, task, about, settings.automator_of(task)))
    return [*own, *others]


def _is_whmcs(settings: Settings, task: BillingTask | None) -> bool:
    return task is not None and settings.automator_of(task) == "whmcs"


def _by_whmcs(settings: Settings, name: str, about: str, owner: Owner) -> Registration:
    zone = settings.whmcs_time_zone
    return Registration(name, about, None, zone, owner, process="whmcs", grace_seconds=GRACE_SECONDS)


def unclaimed(settings: Settings) -> list[BillingTask]:
    """Return the tasks that a setting gives to the portal and that no job of this release does."""
    claimed = {each.task for each in jobs(settings)}
    return [task for task in BILLING_TASKS if settings.automator_of(task) == "portal" and task not in claimed]
