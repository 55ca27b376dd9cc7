"""The policy of dunning as staff see it: days, exceptions, who automates what since when, and the bound of a day.

Reads: portal.billing_tasks, clock_jobs.
"""

from datetime import datetime

import asyncpg
from msgspec import Struct

from app.commands.dunning.policy import DunningPolicy, policies
from app.schedule import billing_tasks
from app.settings import Automator, BillingTask, Settings

TASKS: tuple[BillingTask, ...] = ("captures", "suspension")
JOB = "suspension"
STOPPED = "Nobody is suspended:"
"""How the outcome of a run begins that found more to suspend than a day allows."""


class PolicyTerms(Struct, frozen=True, kw_only=True):
    """A policy: charges so many days after the due date, and the days from the last one to the suspension; null for no
    suspension ever. `subject` is `usual`, or the client group or product that it is for."""

    subject: str
    """Whose invoices it is for."""
    retry_days: tuple[int, ...]
    """The days after the due date on which it is charged."""
    grace_days: int | None
    """The days from the last attempt to the suspension; null: none ever."""


class TaskTerms(Struct, frozen=True, kw_only=True):
    """Who automates a task by setting. Invoices that were due before `since` are left alone; null: not noted yet."""

    task: BillingTask
    automator: Automator
    since: datetime | None


class DunningTerms(Struct, frozen=True, kw_only=True):
    """The policies of this installation.

    Attributes:
        hour: the hour of `time_zone` from which on invoices are charged.
        holidays: the country on whose holidays nothing is suspended; empty: weekends alone.
        suspensions_per_day_percent: accounts that may be suspended in one day, of those with services; three always
            may.
        stopped: why the last run suspended nobody; null: it was within the bound.
    """

    policies: list[PolicyTerms]
    """The policies by subject."""
    tasks: list[TaskTerms]
    hour: int
    time_zone: str
    """The time zone of its days."""
    holidays: str
    suspensions_per_day_percent: float
    stopped: str | None


async def terms(pool: asyncpg.Pool, settings: Settings) -> DunningTerms:
    """Return the policies, and whether the last run was stopped by the bound."""
    known, noted = policies(settings), {each.task: each for each in await billing_tasks.listed(pool)}
    exceptions = {
        **{f"group {number}": each for number, each in known.of_groups.items()},
        **{f"product {number}": each for number, each in known.of_products.items()},
    }
    return DunningTerms(
        policies=[_terms("usual", known.usual), *(_terms(subject, each) for subject, each in exceptions.items())],
        tasks=[
            TaskTerms(
                task=task,
                automator=settings.automator_of(task),
                since=noted[task].automator_since if task in noted else None,
            )
            for task in TASKS
        ],
        hour=settings.dunning_hour,
        time_zone=settings.whmcs_time_zone,
        holidays=settings.dunning_holidays,
        suspensions_per_day_percent=settings.suspensions_per_day_percent,
        stopped=await stopped(pool),
    )


async def stopped(pool: asyncpg.Pool) -> str | None:
    """Return why the last run suspended nobody, if the bound of a day stopped it."""
    found: str | None = await pool.fetchval(
        "SELECT last_detail FROM portal.clock_jobs WHERE name = $1 AND last_outcome = 'postponed'", JOB
    )
    return found if found and STOPPED in found else None


def _terms(subject: str, policy: DunningPolicy) -> PolicyTerms:
    return PolicyTerms(subject=subject, retry_days=policy.retry_days, grace_days=policy.grace_days)
