"""The table of clock jobs: registering them, finding what is due, and recording how a run went.

All times are Postgres's. Whether a job runs at this moment is said by the advisory lock of its name; `running_since` of
a job whose lock is free is a run that was interrupted.

Reads and writes: portal.clock_jobs, portal.clock_runs.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Literal

import asyncpg
from msgspec import Struct

from app.db import Connection, Db, row
from app.schedule.timing import Cron, Timing

Outcome = Literal["done", "failed", "postponed", "timed_out", "interrupted", "withheld"]
"""withheld: the emergency stop is on, or WHMCS automates it. postponed: an upstream or the database was away."""
Owner = Literal["portal", "whmcs"]
MOST_DETAIL = 500

_REGISTER = """
INSERT INTO portal.clock_jobs AS j (name, about, cron, zone, owner, process, moves_money, grace_seconds, most_seconds,
                                    registered_at, next_run_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, clock_timestamp(), $10)
ON CONFLICT (name) DO UPDATE SET
    about = excluded.about, cron = excluded.cron, zone = excluded.zone, owner = excluded.owner,
    process = excluded.process, moves_money = excluded.moves_money, grace_seconds = excluded.grace_seconds,
    most_seconds = excluded.most_seconds, registered_at = excluded.registered_at,
    next_run_at = CASE WHEN excluded.owner = 'whmcs' AND j.owner = 'whmcs' THEN j.next_run_at
                       WHEN (j.cron, j.zone, j.owner) IS DISTINCT FROM (excluded.cron, excluded.zone, excluded.owner)
                       THEN excluded.next_run_at
                       ELSE least(j.next_run_at, excluded.next_run_at) END
"""
_RETIRE = "DELETE FROM portal.clock_jobs WHERE registered_at < clock_timestamp() - interval '1 day'"
"""Only a process that registers its jobs does this: while none runs, every job stays in the list. A day lets
processes of two releases run side by side."""
_DUE = """
SELECT name FROM portal.clock_jobs
WHERE name = ANY($1::text[]) AND owner = 'portal'
  AND (requested_at IS NOT NULL AND (running_since IS NULL OR not_before <= clock_timestamp())
       OR next_run_at <= clock_timestamp() AND coalesce(not_before, '-infinity') <= clock_timestamp())
"""
_BEGIN = """
WITH former AS (SELECT name, running_since, runner, next_run_at FROM portal.clock_jobs WHERE name = $1 FOR UPDATE)
UPDATE portal.clock_jobs j SET running_since = clock_timestamp(), runner = $2, requested_at = NULL,
    failures = j.failures + (former.running_since IS NOT NULL)::int,
    not_before = clock_timestamp() + $3 * interval '1 second', requested_by = coalesce($5, j.requested_by)
FROM former
WHERE j.name = former.name AND (
    $4 OR j.requested_at IS NOT NULL
    OR j.next_run_at <= clock_timestamp() AND coalesce(j.not_before, '-infinity') <= clock_timestamp())
RETURNING j.running_since AS started_at, j.next_run_at AS due_at, j.failures, j.requested_by, j.last_outcome,
    former.running_since AS interrupted_at, former.runner AS interrupted_runner
"""
_END = """
UPDATE portal.clock_jobs SET running_since = NULL, requested_by = NULL, last_started_at = $2, last_ended_at = $3,
    last_outcome = $4, last_detail = $5, last_seconds = extract(epoch FROM $3 - $2::timestamptz), failures = $6,
    last_done_at = CASE WHEN $4 = 'done' THEN $3 ELSE last_done_at END, next_run_at = $7, not_before = $8
WHERE name = $1
"""
_GIVE_BACK = "UPDATE portal.clock_jobs SET running_since = NULL, not_before = NULL WHERE name = $1"
_NOTE = """
UPDATE portal.clock_jobs SET last_started_at = clock_timestamp() - $2 * interval '1 second',
    last_ended_at = clock_timestamp(), last_done_at = clock_timestamp(), last_outcome = 'done', last_detail = $3,
    last_seconds = $2, runner = $4, failures = 0, next_run_at = clock_timestamp() + $5 * interval '1 second'
WHERE name = $1 AND coalesce(last_ended_at, '-infinity') < clock_timestamp() - interval '10 seconds'
"""
_KEEP_RUN = """
INSERT INTO portal.clock_runs (job, due_at, started_at, ended_at, outcome, detail, runner, requested_by)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
"""
_OBSERVED = """
UPDATE portal.clock_jobs SET last_started_at = $2, last_ended_at = $2, last_done_at = $2, last_outcome = $3,
    last_detail = $4, next_run_at = $5
WHERE name = $1 AND owner = 'whmcs'
"""


class Registration(Struct, frozen=True):
    """A job as a process registers it. `timing` is None for what WHMCS runs; such a job has no next run of ours."""

    name: str
    about: str
    timing: Timing | None
    zone: str = "UTC"
    owner: Owner = "portal"
    process: str = "worker"
    moves_money: bool = False
    most_seconds: float = 900.0
    grace_seconds: float = 0.0


class Begun(Struct, frozen=True):
    """A run that has begun. `due_at`: when it should have. `interrupted_at`: when the run began that never ended."""

    started_at: datetime
    due_at: datetime | None
    failures: int
    requested_by: str | None
    last_outcome: str | None
    interrupted_at: datetime | None
    interrupted_runner: str | None


class Ended(Struct, frozen=True):
    """How a run ended, after `seconds`."""

    outcome: Outcome
    detail: str
    seconds: float


async def register(pool: asyncpg.Pool, jobs: Sequence[Registration]) -> None:
    """Write the definitions of jobs. A job that is already there keeps its next run, unless its times changed; it is
    never later than the times say."""
    async with pool.acquire() as connection, connection.transaction():
        now = await connection.fetchval("SELECT clock_timestamp()")
        for each in sorted(jobs, key=lambda job: job.name):
            ours = each.timing if each.owner == "portal" else None
            await connection.execute(
                _REGISTER,
                each.name,
                each.about,
                each.timing.cron if each.timing else "",
                each.timing.zone if each.timing else each.zone,
                each.owner,
                each.process,
                each.moves_money,
                each.timing.grace_seconds if each.timing else each.grace_seconds,
                each.most_seconds,
                ours.first(now) if ours else None,
            )
        await connection.execute(_RETIRE)


async def due(db: Db, names: Sequence[str]) -> list[str]:
    """Return the names of those jobs that are due or that somebody requested."""
    return [each["name"] for each in await db.fetch(_DUE, list(names))]


async def begin(
    held: Connection, name: str, timing: Timing, runner: str, *, forced_by: str | None = None
) -> Begun | None:
    """Record that a run begins, under the job's lock; None if it is no longer due. `forced_by`: run it in any case."""
    values = (timing.look_again_seconds, forced_by is not None, forced_by)
    begun = await row(held, Begun, _BEGIN, name, runner, *values)
    if begun and begun.interrupted_at:
        detail = "The process that ran it ended, or lost the job's lock."
        former = (begun.due_at, begun.interrupted_at, begun.started_at)
        await held.execute(_KEEP_RUN, name, *former, "interrupted", detail, begun.interrupted_runner, None)
    return begun


async def end(held: Connection, name: str, timing: Timing, runner: str, begun: Begun, ended: Ended) -> None:
    """Record how a run ended and when the next one is due.

    After success that is the next time from now on, however many were missed. Otherwise the job stays due and is tried
    again after a pause.
    """
    ended_at = begun.started_at + timedelta(seconds=ended.seconds)
    done, detail = ended.outcome == "done", ended.detail[:MOST_DETAIL]
    failures = 0 if done else begun.failures + (ended.outcome != "withheld")
    pause = None if done else ended_at + timedelta(seconds=timing.back_off(max(failures, 1)))
    next_run_at = timing.after(ended_at) if done else begun.due_at
    span = (begun.started_at, ended_at)
    async with held.transaction():
        await held.execute(_END, name, *span, ended.outcome, detail, failures, next_run_at, pause)
        if ended.outcome != begun.last_outcome or (isinstance(timing, Cron) and ended.outcome != "withheld"):
            who = (runner, begun.requested_by)
            await held.execute(_KEEP_RUN, name, begun.due_at, *span, ended.outcome, detail, *who)


async def give_back(held: Connection, name: str) -> None:
    """Record that a run was given up by a process that stops; another one may start it at once."""
    await held.execute(_GIVE_BACK, name)


async def note(db: Db, name: str, runner: str, *, seconds: float, detail: str, next_in_seconds: float) -> None:
    """Record a run of a job that every process does by itself; at most once in ten seconds for all of them."""
    await db.execute(_NOTE, name, seconds, detail[:MOST_DETAIL], runner, next_in_seconds)


async def note_observed(
    db: Db, name: str, ran_at: datetime | None, outcome: str | None, detail: str, next_run_at: datetime | None
) -> None:
    """Record what WHMCS said about a job of its own."""
    await db.execute(_OBSERVED, name, ran_at, outcome, detail[:MOST_DETAIL], next_run_at)
