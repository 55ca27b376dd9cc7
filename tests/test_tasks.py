"""Background tasks end for sure, or are named."""

import asyncio
import subprocess
import sys

import pytest
import structlog

from app import tasks

HANGS_AT_ITS_END = """
import time
from app.processes import sd_notify as notify
notify.END_SECONDS = 1.0
with notify.guarded(0):
    pass
time.sleep(600)
"""


async def stubborn(times: int) -> None:
    """Take so many cancellations for something else, as a client does that mistakes one for its own timeout."""
    for _ in range(times):
        try:
            await asyncio.sleep(3600)
        except asyncio.CancelledError:
            continue


async def deaf(released: asyncio.Event) -> None:
    """Take every cancellation for something else until released."""
    while not released.is_set():
        try:
            await released.wait()
        except asyncio.CancelledError:
            continue


@pytest.mark.parametrize("swallowed", [0, 1, 2])
async def test_a_task_that_swallows_cancellations_is_ended(swallowed: int) -> None:
    task = asyncio.create_task(stubborn(swallowed + 1))
    await asyncio.sleep(0)
    await tasks.end(task)
    assert task.done()


async def test_a_task_that_never_ends_is_left_and_named(capsys: pytest.CaptureFixture[str]) -> None:
    released = asyncio.Event()
    task, other = asyncio.create_task(deaf(released)), asyncio.create_task(asyncio.sleep(3600))
    await asyncio.sleep(0)
    try:
        async with asyncio.timeout(30):
            await tasks.end(task, other, within_seconds=1.5)
        assert other.cancelled()
        assert not task.done()
        assert "task_does_not_end" in capsys.readouterr().out
    finally:
        released.set()
        await task


async def test_what_is_done_or_absent_is_nothing_to_wait_for() -> None:
    done = asyncio.create_task(asyncio.sleep(0))
    await done
    await tasks.end(None, done)


def test_a_process_that_hangs_while_it_ends_is_ended_with_its_stacks() -> None:
    done = subprocess.run(
        [sys.executable, "-c", HANGS_AT_ITS_END], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 1
    assert "Timeout" in done.stderr


async def test_a_background_task_that_fails_is_logged_at_once_and_closing_ends_a_running_one() -> None:
    async def fail() -> None:
        raise ValueError("spoiled")

    ended = asyncio.Event()

    async def run() -> None:
        try:
            await asyncio.sleep(3600)
        finally:
            ended.set()

    with structlog.testing.capture_logs() as logs:
        failing, running, idle = (tasks.Background(name) for name in ("failing", "running", "idle"))
        failing.start(fail())
        running.start(run())
        await asyncio.sleep(0.01)
        assert [(each["event"], each["task"]) for each in logs] == [("background_task_failed", "failing")]
        for each in (failing, running, idle):
            await each.close()
    assert ended.is_set()
    assert len(logs) == 1
