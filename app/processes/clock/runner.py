"""Running clock jobs: each by one process at a time, recorded, and none in the way of another.

Reads and writes: portal.clock_jobs, portal.clock_runs.
"""

import asyncio
import contextlib
import os
import socket
import time
from collections.abc import Sequence
from functools import partial

import structlog

from app import leases, tasks
from app.db import is_outage
from app.errors import UpstreamError
from app.lock_numbers import LockSpace
from app.processes.clock.job import ClockJob, Postponed
from app.processes.clock.units import do_units
from app.resources import Resources
from app.schedule import clock_jobs
from app.schedule.clock_jobs import Ended, Outcome, Registration
from app.schedule.withholding import Withheld, withhold

LOOK_SECONDS = 0.5
REGISTER_SECONDS = 300.0
GIVE_BACK_SECONDS = 0.5
RUNNER = f"{socket.gethostname()}:{os.getpid()}"

log = structlog.get_logger()


class JobRunner:
    """Runs the jobs of one process: finds what is due twice a second, and registers all jobs every few minutes."""

    def __init__(self, resources: Resources, jobs: Sequence[ClockJob], registrations: Sequence[Registration]) -> None:
        self._resources, self._registrations = resources, registrations
        self._jobs = {each.name: each for each in jobs if each.is_runnable}
        self._running: dict[str, asyncio.Task[None]] = {}
        self._register_at = 0.0

    async def run_until_cancelled(self) -> None:
        """Run every job at its times."""
        try:
            while True:
                try:
                    await self.look()
                except Exception as error:
                    if is_outage(error):
                        log.warning("jobs_not_looked_for", error=repr(error))
                    else:
                        log.exception("jobs_not_looked_for")
                await asyncio.sleep(LOOK_SECONDS)
        finally:
            await tasks.end(*self._running.values())

    async def look(self) -> None:
        """Start what is due and does not run here already."""
        if time.monotonic() >= self._register_at:
            await clock_jobs.register(self._resources.pool, self._registrations)
            self._register_at = time.monotonic() + REGISTER_SECONDS
        for name in await clock_jobs.due(self._resources.pool, list(self._jobs.keys() - self._running.keys())):
            task = asyncio.create_task(self._start(self._jobs[name]))
            self._running[name] = task
            task.add_done_callback(partial(self._ended, name))

    def _ended(self, name: str, _: asyncio.Task[None]) -> None:
        self._running.pop(name, None)

    async def _start(self, job: ClockJob) -> None:
        try:
            await run_job(self._resources, job)
        except Exception as error:  # nothing could be recorded; the job stays due
            if isinstance(error, leases.Lost) or is_outage(error):
                log.warning("job_given_up", job=job.name, error=repr(error))
            else:
                log.exception("job_not_recorded", job=job.name)


async def run_job(resources: Resources, job: ClockJob, *, forced_by: str | None = None) -> Ended | None:
    """Run a job once and record how it went; None if another process runs it, or if it is not due and not forced.

    Raises:
        Lost: the lock was lost, so nothing could be recorded; and what the database raises.
    """
    async with leases.named(resources.pool, LockSpace.CHORE, job.name) as held:
        if held is None:
            return None
        begun = await clock_jobs.begin(held, job.name, job.when, RUNNER, forced_by=forced_by)
        if begun is None:
            return None
        started = time.monotonic()
        try:
            outcome, detail = await _outcome(resources, job, held)
        except asyncio.CancelledError:
            await _give_back(held, job)
            raise
        ended = Ended(outcome, detail, time.monotonic() - started)
        await clock_jobs.end(held, job.name, job.when, RUNNER, begun, ended)
        return ended


async def _give_back(held: leases.Held, job: ClockJob) -> None:
    """Leave the job to another process: this one is being stopped. If that fails, the run counts as interrupted."""
    with contextlib.suppress(Exception):
        async with asyncio.timeout(GIVE_BACK_SECONDS):
            await clock_jobs.give_back(held, job.name)


async def _outcome(resources: Resources, job: ClockJob, held: leases.Held) -> tuple[Outcome, str]:
    """Do the work of one run. Whatever it raises is its outcome, except the loss of the lock."""
    said: list[str] = []

    async def work() -> None:
        said.append(await _work(resources, job) or "")

    limit = asyncio.timeout(job.most_seconds)
    try:
        async with limit:
            await leases.while_held(held, work)
        return "done", said[0]
    except leases.Lost:
        raise
    except Withheld as reason:
        log.warning("job_withheld", job=job.name, reason=str(reason))
        return "withheld", str(reason)
    except (Postponed, UpstreamError) as reason:
        log.warning("job_postponed", job=job.name, error=str(reason))
        return "postponed", str(reason)
    except Exception as error:
        if isinstance(error, TimeoutError) and limit.expired():
            log.error("job_hung", job=job.name, seconds=job.most_seconds)
            return "timed_out", f"It took longer than {job.most_seconds:g} s."
        if is_outage(error):
            log.error("job_postponed", job=job.name, error=repr(error))
            return "postponed", repr(error)
        log.exception("job_failed", job=job.name)
        return "failed", repr(error)


async def _work(resources: Resources, job: ClockJob) -> str | None:
    if job.moves_money:
        await withhold(resources.pool, resources.settings, job.task)
    if job.units is not None:
        return await do_units(resources, job)
    assert job.run is not None
    return await job.run(resources)
