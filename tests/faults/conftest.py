"""A really running portal whose processes may be killed at any instant, and the judge of what is left."""

import asyncio
import os
import random
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from typing import Any

import pytest

from app.cli.stack.environment import beside_sandbox
from app.db import is_outage
from app.ingest import progress
from app.resources import Resources, open_resources
from app.settings import load
from tests.faults import truth
from tests.journey.conftest import Running, running

__all__ = ["running"]

QUIET_SECONDS = 240
IMPATIENT = {
    "SALESFORCE_TIMEOUT_SECONDS": "2",
    "WHMCS_READ_TIMEOUT_SECONDS": "2",
    "WHMCS_WRITE_TIMEOUT_SECONDS": "2",
    "FREEBIT_TIMEOUT_SECONDS": "2",
    "WHM_TIMEOUT_SECONDS": "2",
    "TRUSTED_PROXIES": "127.0.0.1/32",
}
"""A portal that gives up on an upstream within two seconds."""
OPEN = (
    "SELECT (SELECT count(*) FROM ingest.inbox WHERE settled_at IS NULL) "
    "+ (SELECT count(*) FROM ingest.notices WHERE told_at IS NULL) + (SELECT count(*) FROM ingest.fanouts)"
)


class Victims:
    """More processes of each kind, started here so that they may be killed and replaced without a pause."""

    def __init__(self, environment: dict[str, str], seed: int) -> None:
        self._environment, self._random = environment, random.Random(seed)
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self.killed: list[int] = []

    def start(self, *names: str) -> None:
        for name in names:
            argv = [sys.executable, "-m", "app.cli", name]
            quiet: dict[str, Any] = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
            self._processes[name] = subprocess.Popen(argv, env=self._environment, start_new_session=True, **quiet)

    async def kill_some(self, count: int, pause: tuple[float, float]) -> None:
        """Kill with SIGKILL, one after the other, at random instants; each is replaced at once."""
        for _ in range(count):
            await asyncio.sleep(self._random.uniform(*pause))
            name = self._random.choice(list(self._processes))
            process = self._processes[name]
            assert process.poll() is None, f"{name} ended by itself"
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            self.killed.append(process.pid)
            self.start(name)

    def stop(self) -> None:
        for process in self._processes.values():
            process.kill()
            process.wait()


@pytest.fixture
def environment(running: Running) -> dict[str, str]:
    """Settings of the running stack."""
    return environment_of(running)


def environment_of(running: Running) -> dict[str, str]:
    """Return the environment of one more process of a running stack."""
    state = running.state
    own = {
        **os.environ,
        "DATABASE_URL": state["database_url"],
        "REDIS_URL": state["redis_url"],
        "PORTAL_SECRET": "s" * 40,
        "API_PORT": "0",
    }
    return beside_sandbox(state, own)


@pytest.fixture
async def resources(environment: dict[str, str]) -> AsyncIterator[Resources]:
    async with open_resources(load(environment), pool_size=6) as opened:
        yield opened


async def settle(resources: Resources) -> None:
    """Until nothing is left to do anywhere. A database that was killed may still be recovering."""
    async with asyncio.timeout(QUIET_SECONDS):
        quiet = 0
        while quiet < 3:
            try:
                quiet = quiet + 1 if not await resources.pool.fetchval(OPEN) else 0
            except Exception as error:
                if not is_outage(error):
                    raise
                quiet = 0
            await asyncio.sleep(0.3)


async def assert_truth(resources: Resources) -> None:
    """Settled, nothing parked, nobody resyncing, and every read model as if computed afresh."""
    await settle(resources)
    parked = await resources.pool.fetch(
        "SELECT object, record_id, error FROM ingest.dead_letters WHERE resolved_at IS NULL"
    )
    assert not parked, [tuple(row) for row in parked]
    assert not await progress.load(resources.pool, f"resync:{resources.settings.salesforce_channel}")
    found = await truth.differences(resources)
    assert not found, "\n".join(line[:200] for line in found[:20])
