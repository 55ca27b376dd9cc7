"""The list of clock jobs as staff see it, and what is wrong with one.

Reads: portal.clock_jobs, portal.clock_runs, pg_locks.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Literal

from msgspec import Struct, structs

from app.db import Db, rows
from app.errors import NotFound
from app.lock_numbers import LockSpace

JobState = Literal["waiting", "running", "overdue", "hung", "failing", "withheld", "elsewhere"]
WHMCS_DAILY_RUN = "whmcs-daily-run"
"""The row of WHMCS's own daily run."""
HUNG_SECONDS = 60.0
"""A run that exceeds its time is cancelled; one that is still there this much later hangs."""
FAILING = 3
"""Failures in a row after which a job counts as failing, though it is not overdue yet."""

_JOBS = """
SELECT j.name, j.about, j.cron, j.zone, j.owner, j.process, j.moves_money, j.grace_seconds, j.most_seconds,
       j.next_run_at, greatest(j.next_run_at, j.not_before) AS next_try_at, j.runner,
       CASE WHEN l.held THEN j.running_since END AS running_since, j.last_started_at, j.last_ended_at, j.last_done_at,
       j.last_outcome, j.last_detail, j.last_seconds, j.failures, clock_timestamp() AS now
FROM portal.clock_jobs j CROSS JOIN LATERAL (
    SELECT EXISTS (
        SELECT FROM pg_locks k WHERE k.locktype = 'advisory' AND k.granted AND k.objsubid = 2
          AND k.database = (SELECT oid FROM pg_database WHERE datname = current_database())
          AND k.classid = $1::int::oid AND k.objid = hashtext(j.name)::oid) AS held
) AS l
ORDER BY j.owner, j.name
"""
_RUNS = """
SELECT job, due_at, started_at, ended_at, outcome, detail, runner, requested_by
FROM portal.clock_runs WHERE job = $1 ORDER BY id DESC LIMIT $2
"""


class JobRow(Struct, frozen=True, kw_only=True):
    """A job with its last and its next run.

    `next_run_at` is in the past while the job is due and has not succeeded. `running_since` is set only while a
    process holds the job's lock; `runner` is the last process that ran it.
    """

    name: str
    about: str
    """What the job does."""
    cron: str
    """When it is due, as a cron expression."""
    zone: str
    """The time zone of the cron expression."""
    owner: Literal["portal", "whmcs"]
    """Who runs it, by setting."""
    process: str
    """The kind of process that runs it."""
    moves_money: bool
    """Whether it moves money."""
    grace_seconds: float
    """How late it may begin, in seconds."""
    most_seconds: float
    """How long a run may take."""
    next_run_at: datetime | None
    """When it is due next; null if it is not."""
    next_try_at: datetime | None
    """When it is tried next; null if it is not."""
    runner: str | None
    running_since: datetime | None
    """When the present run began; null while none runs."""
    last_started_at: datetime | None
    """When the last run began; null without any."""
    last_ended_at: datetime | None
    """When the last run ended; null without any."""
    last_done_at: datetime | None
    """When it last succeeded; null if it never did."""
    last_outcome: str | None
    """How the last run ended; null without any."""
    last_detail: str | None
    """What the last run said; null without any."""
    last_seconds: float | None
    """How long the last run took; null without any."""
    failures: int
    """How often it failed in a row."""
    now: datetime
    """The time of the database."""


class ListedJob(JobRow, frozen=True, kw_only=True):
    """A job, and what is to be said about it.

    `concern` is one sentence about what is wrong, or null. `overdue_seconds` is how long the job has been due beyond
    its grace; 0 while it runs, is withheld, or is on time.
    """

    state: JobState
    """The state of the job."""
    overdue_seconds: float
    """How late it is, in seconds."""
    concern: str | None
    """What is wrong with it; null if nothing is."""


class ClockRun(Struct, frozen=True, kw_only=True):
    """One run of a job. `due_at` is when it should have begun."""

    job: str
    """The name of the job."""
    due_at: datetime | None
    started_at: datetime
    ended_at: datetime
    outcome: str
    detail: str | None
    runner: str | None
    requested_by: str | None
    """Who requested the run; null for one by the clock."""


async def listed(db: Db) -> list[ListedJob]:
    """List all jobs by owner and name."""
    return [judged(each) for each in await rows(db, JobRow, _JOBS, int(LockSpace.CHORE))]


def judged(row: JobRow) -> ListedJob:
    """Add what is to be said about a job."""
    state, late_seconds = _state(row), _overdue_seconds(row)
    concern = _concern(row, state, late_seconds)
    return ListedJob(**structs.asdict(row), state=state, overdue_seconds=late_seconds, concern=concern)


def _overdue_seconds(row: JobRow) -> float:
    if row.next_run_at is None or row.running_since or row.last_outcome == "withheld":
        return 0.0
    late_seconds = (row.now - row.next_run_at).total_seconds()
    return late_seconds if late_seconds > row.grace_seconds else 0.0


def _state(row: JobRow) -> JobState:
    if row.running_since:
        ran_seconds = (row.now - row.running_since).total_seconds()
        return "hung" if ran_seconds > row.most_seconds + HUNG_SECONDS else "running"
    if _overdue_seconds(row):
        return "overdue"
    if row.last_outcome == "withheld":
        return "withheld"
    if row.failures >= FAILING:
        return "failing"
    return "waiting" if row.owner == "portal" else "elsewhere"


def _concern(row: JobRow, state: JobState, late_seconds: float) -> str | None:
    last = f" The last run: {row.last_outcome}. {row.last_detail or ''}".rstrip() if row.last_outcome else ""
    if state == "overdue":
        never = "" if row.last_done_at else " It has never succeeded."
        return f"{row.name} is overdue by {late_seconds:,.0f} s.{never}{last}"
    if state == "hung":
        return f"{row.name} hangs on {row.runner}: it may take {row.most_seconds:,.0f} s."
    if state == "failing":
        return f"{row.name} has failed {row.failures} times in a row.{last}"
    return None


async def runs_of(db: Db, name: str, limit: int) -> list[ClockRun]:
    """List the recorded runs of a job, newest first.

    Raises:
        NotFound: `no_job`.
    """
    found = await rows(db, ClockRun, _RUNS, name, limit)
    if not found and not await db.fetchval("SELECT true FROM portal.clock_jobs WHERE name = $1", name):
        raise NotFound("There is no job of this name.", code="no_job")
    return found


def concerns(jobs: Sequence[ListedJob]) -> list[str]:
    """Return a sentence for every job with which something is wrong."""
    return [each.concern for each in jobs if each.concern]
