"""Requests of operators to run a job out of its time; the next process that looks takes them up.

Writes: portal.clock_jobs, portal.audit.
"""

import asyncpg

from app.audit import Operator, audit
from app.errors import Conflict, NotFound
from app.schedule.listing import ListedJob, listed

RUNNING = ("worker", "cdc")
"""Kinds of processes that run what is requested."""

_REQUEST = "UPDATE portal.clock_jobs SET requested_at = clock_timestamp(), requested_by = $2 WHERE name = $1"


async def runnable(pool: asyncpg.Pool, name: str) -> ListedJob:
    """Return a job that can be run on request.

    Raises:
        NotFound: `no_job`.
        Conflict: `job_not_runnable` for what WHMCS runs, and for what every process does by itself.
    """
    job = next((each for each in await listed(pool) if each.name == name), None)
    if job is None:
        raise NotFound("There is no job of this name.", code="no_job")
    if job.owner != "portal" or job.process not in RUNNING:
        by = "WHMCS" if job.process == "whmcs" or job.owner == "whmcs" else job.process
        raise Conflict(f"This job cannot be run by hand: {by} runs it.", code="job_not_runnable")
    return job


async def request_run(pool: asyncpg.Pool, operator: Operator, name: str) -> ListedJob:
    """Request a run. Safe to repeat.

    Raises:
        NotFound, Conflict: as `runnable`.
    """
    job = await runnable(pool, name)
    async with pool.acquire() as connection, connection.transaction():
        await connection.execute(_REQUEST, name, operator.name or str(operator.user_id))
        await audit(connection, operator, "schedule.run", [name])
    return job
