"""Reads are never wrong: several API processes, changes and logouts all the time, and everything else going wrong too.

`READ_STRESS_SECONDS` makes it longer.
"""

import asyncio
import os
import random
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import msgspec
import pytest
from redis.asyncio import Redis

from app.cli.stack.embedded import free_port
from app.settings import Settings
from benchmarks.harness import setup
from benchmarks.harness.read_check import Check

SECONDS = float(os.environ.get("READ_STRESS_SECONDS", "6"))
PROCESSES, ACCOUNTS, READERS, WRITES_A_SECOND = 3, 40, 12, 200
WRONG = ("stale", "behind", "foreign", "revived")


@pytest.fixture
async def processes(settings: Settings, tmp_path: Path) -> AsyncIterator[dict[int, Any]]:
    """API processes by port."""
    required = [field.name.upper() for field in msgspec.structs.fields(Settings) if field.required]
    limits = dict.fromkeys(("ACCOUNT_RATE_PER_MINUTE", "PUBLIC_RATE_PER_MINUTE", "AUTH_RATE_PER_MINUTE"), "10000000")
    own = {name: getattr(settings, name.lower()) for name in required}
    started = {}
    for _ in range(PROCESSES):
        port = free_port()
        with (tmp_path / f"{port}.log").open("wb") as log:
            environment = {**os.environ, **own, **limits, "API_PORT": str(port), "LOG_LEVEL": "warning"}
            argv = [sys.executable, "-m", "app.cli", "api"]
            started[port] = subprocess.Popen(argv, env=environment, stderr=log, stdout=log, start_new_session=True)
    async with httpx.AsyncClient(timeout=1) as client:
        for port in started:
            await _ready(client, port)
    yield started
    for process in started.values():
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


async def _ready(client: httpx.AsyncClient, port: int) -> None:
    for _ in range(200):
        try:
            await client.get(f"http://127.0.0.1:{port}/api/health/live")
            return
        except httpx.HTTPError:
            await asyncio.sleep(0.1)
    raise AssertionError("the API did not start")


async def _trouble(pool: asyncpg.Pool, redis: Redis, processes: dict[int, Any], chance: random.Random) -> None:
    """One thing after the other that should cost time and nothing else."""
    while True:
        await asyncio.sleep(chance.uniform(0.1, 0.5))
        kind = chance.choice(("deaf", "flushed", "cut off", "stopped"))
        if kind == "deaf":
            await pool.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'portal-watch'"
            )
        elif kind == "flushed":
            await redis.flushdb()
        elif kind == "cut off":
            await redis.execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")  # type: ignore[no-untyped-call]
        else:
            process = chance.choice(list(processes.values()))
            os.killpg(process.pid, signal.SIGSTOP)
            try:
                await asyncio.sleep(chance.uniform(0.02, 0.2))
            finally:
                os.killpg(process.pid, signal.SIGCONT)


async def test_no_process_serves_outdated_answers(
    pool: asyncpg.Pool, redis: Redis, settings: Settings, processes: dict[int, Any]
) -> None:
    accounts = await setup.clean(pool, ACCOUNTS)
    verified_at = datetime.now(UTC) + timedelta(hours=1)
    await pool.execute(
        "INSERT INTO read_model.freshness SELECT account_id, 'client_invoices', $1 FROM portal.id_mappings", verified_at
    )
    check = Check(pool, settings, list(processes), accounts)
    await check.prepare()
    trouble = asyncio.create_task(_trouble(pool, redis, processes, random.Random(3)))
    await check.run(SECONDS, readers=READERS, writes_a_second=WRITES_A_SECOND)
    trouble.cancel()
    counts = dict(check.counts)
    assert {name: counts.get(name, 0) for name in WRONG} == dict.fromkeys(WRONG, 0)
    assert [name for name in counts if name.startswith("status")] == []
    assert min(counts[name] for name in ("reads", "writes", "logouts")) > 0, counts
    async with httpx.AsyncClient() as client:
        told = [
            (await client.get(f"http://127.0.0.1:{port}/api/health/services/cache")).json()["answers"]
            for port in processes
        ]
    assert sum(each["hits"] for each in told) > counts["reads"] / 10, "memory was not even tried"
    assert sum(each["copied"] for each in told) > 0, "Redis was not even tried"
