"""Two processes share the jobs: one is killed or frozen while it runs one, and the other takes over, not beside it."""

import asyncio
import os
import signal
import subprocess
import sys
from typing import Any

import asyncpg
import pytest

from app.schedule import listing

PROCESS = """
import asyncio, os
from app.processes.clock.job import ClockJob
from app.processes.clock.runner import JobRunner
from app.resources import open_resources
from app.schedule.timing import Every
from app.settings import load

async def work(r):
    mark = await r.pool.fetchval("INSERT INTO public.marks (pid) VALUES ($1) RETURNING id", os.getpid())
    for _ in range(10):
        await asyncio.sleep(0.1)
        await r.pool.execute("UPDATE public.marks SET seen_at = clock_timestamp() WHERE id = $1", mark)
    await r.pool.execute("UPDATE public.marks SET ended_at = clock_timestamp() WHERE id = $1", mark)

async def main():
    async with open_resources(load(), pool_size=8) as r:
        job = ClockJob("shared", Every(0.1), "A test.", work)
        await JobRunner(r, [job], [job.registration(r.settings)]).run_until_cancelled()

asyncio.run(main())
"""
OVERLAPS = """
SELECT count(*) FROM public.marks a JOIN public.marks b ON a.id < b.id
WHERE b.began_at < coalesce(a.seen_at, a.began_at)
"""


@pytest.fixture
async def marks(pool: asyncpg.Pool) -> Any:
    await pool.execute("DROP TABLE IF EXISTS public.marks")
    await pool.execute(
        "CREATE TABLE public.marks (id serial PRIMARY KEY, pid int, began_at timestamptz DEFAULT clock_timestamp(), "
        "seen_at timestamptz, ended_at timestamptz)"
    )
    yield pool
    await pool.execute("DROP TABLE public.marks")


async def until(pool: asyncpg.Pool, question: str, *values: object) -> Any:
    async with asyncio.timeout(60):
        while not (found := await pool.fetchval(question, *values)):
            await asyncio.sleep(0.05)
    return found


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGSTOP])
async def test_a_process_that_dies_or_freezes_loses_its_job_to_another(
    marks: asyncpg.Pool, engines: tuple[str, str], sandbox_settings: Any, sandbox_state: dict[str, Any], how: int
) -> None:
    from app.cli.stack.environment import of_sandbox

    environment = {**os.environ, **of_sandbox(sandbox_state), "DATABASE_URL": engines[0], "REDIS_URL": engines[1]}
    environment["PORTAL_SECRET"] = "s" * 32
    argv = [sys.executable, "-c", PROCESS]
    processes = [subprocess.Popen(argv, env=environment) for _ in range(2)]
    try:
        victim = await until(marks, "SELECT pid FROM public.marks WHERE seen_at IS NOT NULL LIMIT 1")
        os.kill(victim, how)
        await marks.execute("DELETE FROM public.marks WHERE pid <> $1", victim)
        await until(marks, "SELECT true FROM public.marks WHERE pid <> $1 AND ended_at IS NOT NULL", victim)
        assert await marks.fetchval(OVERLAPS) == 0
        runs = await listing.runs_of(marks, "shared", 10)
        assert "interrupted" in [each.outcome for each in runs]
        if how == signal.SIGSTOP:
            os.kill(victim, signal.SIGCONT)
            mark = await marks.fetchval("SELECT max(id) FROM public.marks")
            await until(marks, "SELECT true FROM public.marks WHERE id > $1 AND ended_at IS NOT NULL", mark + 2)
            assert await marks.fetchval(f"{OVERLAPS} AND a.id > $1", mark) == 0
    finally:
        for each in processes:
            each.kill()
            each.wait()
