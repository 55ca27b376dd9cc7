"""The units of work of a job that moves money: before each, the runner asks whether it may go on."""

from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing

import structlog

from app.db import is_outage
from app.processes.clock.job import ClockJob, Postponed, Unit
from app.resources import Resources
from app.schedule.withholding import Withheld, withhold

log = structlog.get_logger()


async def do_units(resources: Resources, job: ClockJob) -> str:
    """Do all units of work, one after another. A failing one is logged and does not stop the others.

    Raises:
        Withheld: the stop came in between; what was done before stays done. And what the database raises.
    """
    assert job.units is not None
    done, failed = 0, 0
    async with aclosing(job.units(resources)) as units:
        async for unit in units:
            try:
                await withhold(resources.pool, resources.settings, job.task)
            except Withheld as reason:
                raise Withheld(f"{reason} {_counts(done, failed)}") from reason
            if await _do(job, unit):
                done += 1
            else:
                failed += 1
    return _counts(done, failed)


async def _do(job: ClockJob, unit: Unit) -> bool:
    try:
        await unit.do()
        return True
    except Exception as error:
        if is_outage(error):
            raise
        log.exception("job_unit_failed", job=job.name, unit=unit.what)
        return False


def _counts(done: int, failed: int) -> str:
    return f"{done} done, {failed} failed" if failed else f"{done} done"


async def preview(resources: Resources, job: ClockJob) -> list[str] | None:
    """Return what a run would do now, in sentences; None if the job has no preview. Changes nothing."""
    if job.units is not None:
        more = await job.preview(resources) if job.preview else []
        return [*await _listed(resources, job.units), *more]
    return None if job.preview is None else await job.preview(resources)


async def _listed(resources: Resources, units: Callable[[Resources], AsyncGenerator[Unit, None]]) -> list[str]:
    found: list[str] = []
    try:
        async with aclosing(units(resources)) as each:
            found.extend([unit.what async for unit in each])
    except Postponed as reason:
        found.append(str(reason))
    return found
