"""Killing any one process in the middle of the journey only delays it."""

import asyncio
import time

import psutil
import pytest

from app.cli.demo.journey import Journey
from app.cli.demo.timeline import JourneyStep
from tests.journey.conftest import Running

SETTLE_SECONDS = 2.0
"""The sandbox saves its world soon after a change, not at once; the others lose nothing at any instant."""


@pytest.mark.parametrize("name", ["api", "worker", "cdc", "redis", "postgres", "sandbox"])
async def test_killing_a_process_in_the_middle_of_the_journey_only_delays_it(running: Running, name: str) -> None:
    killed: list[int] = []

    def kill_at_turning_points(step: JourneyStep) -> None:
        if any(word in step.what for word in ("signs up with", "orders SIM", "issues invoice")):
            if name == "sandbox":
                time.sleep(SETTLE_SECONDS)
            killed.append(running.kill(name))

    journey = Journey(running.state, kill_at_turning_points)
    await asyncio.wait_for(journey.live(), 300)
    assert journey.upstream_calls == 0
    assert len(killed) == len(set(killed)) == 3
    assert not any(psutil.pid_exists(pid) and psutil.Process(pid).status() != "zombie" for pid in killed)
