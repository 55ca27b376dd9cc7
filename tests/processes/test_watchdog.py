"""A process whose event loop is blocked ends by itself, says where it stood, and is started again."""

import os
import socket
import sys
import time
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from app.cli.stack import embedded
from app.cli.stack.environment import of_sandbox
from app.cli.stack.processes import Spec, Supervisor
from app.processes import sd_notify
from app.settings import Settings

PATIENCE_SECONDS = 120
BLOCKED = """
import pathlib, sys, time
flag = pathlib.Path(sys.argv.pop())
def once():
    if flag.exists():
        flag.unlink()
        time.sleep(3600)
{patch}
from app.cli import main
main()
"""
PATCHES = {
    "worker": """
import app.processes.worker as module
plain = module.WorkerJobs.sweep
async def sweep(self, **more):
    once()
    await plain(self, **more)
module.WorkerJobs.sweep = sweep
""",
    "cdc": """
import app.processes.cdc as module
plain = module.heartbeat
def heartbeat():
    once()
    plain()
module.heartbeat = heartbeat
""",
    "api": """
import app.processes.api as module
plain = module.Server.on_tick
async def on_tick(self, counter):
    once()
    return await plain(self, counter)
module.Server.on_tick = on_tick
""",
}


@pytest.fixture
def environment(sandbox: object, sandbox_settings: Settings, sandbox_state: dict[str, object]) -> dict[str, str]:
    engines = {"DATABASE_URL": sandbox_settings.database_url, "REDIS_URL": sandbox_settings.redis_url}
    own = {"PORTAL_SECRET": "s" * 32, "WATCHDOG_SECONDS": "20", "API_PORT": str(embedded.free_port())}
    return {**os.environ, **of_sandbox(sandbox_state), **engines, **own}


def until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.1)


@pytest.mark.parametrize("name", ["worker", "cdc"])
def test_a_process_that_hangs_ends_and_its_supervisor_starts_it_again(
    environment: dict[str, str], tmp_path: Path, name: str
) -> None:
    flag, log = tmp_path / "block", tmp_path / "log"
    argv = [sys.executable, "-c", BLOCKED.format(patch=PATCHES[name]), name, str(flag)]
    supervisor = Supervisor(print)
    child = supervisor.start(Spec(name, argv, environment, log))
    supervisor.watch()
    try:
        time.sleep(6)
        assert child.restarts == 0, log.read_text()
        flag.touch()
        until(lambda: child.restarts == 1)
        assert "Timeout" in log.read_text(), "the stacks of its threads"
        time.sleep(10)
        assert child.restarts == 1, "the new one lives"
    finally:
        supervisor.stop()


def test_an_api_worker_that_hangs_is_replaced_by_its_parent(environment: dict[str, str], tmp_path: Path) -> None:
    flag, log = tmp_path / "block", tmp_path / "log"
    argv = [sys.executable, "-c", BLOCKED.format(patch=PATCHES["api"]), "api", str(flag)]
    supervisor = Supervisor(print)
    child = supervisor.start(Spec("api", argv, environment, log))

    def answers() -> bool:
        try:
            url = f"http://127.0.0.1:{environment['API_PORT']}/api/health/live"
            return httpx.get(url, timeout=2, trust_env=False).status_code == 200
        except httpx.HTTPError:
            return False

    try:
        until(answers)
        flag.touch()
        until(lambda: not answers())
        until(answers)
        assert "api_worker_died" in log.read_text()
        assert child.process.poll() is None
    finally:
        supervisor.stop()


def test_a_supervisor_that_does_not_read_holds_nobody_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    address = str(tmp_path / "notify")
    monkeypatch.setenv("NOTIFY_SOCKET", address)
    monkeypatch.setattr("app.processes.sd_notify.SEND_SECONDS", 0.01)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as supervisor:
        supervisor.bind(address)
        for _ in range(1_000):
            sd_notify.notify(sd_notify.ALIVE)
        sd_notify.notify(sd_notify.STOPPING)
        assert supervisor.recv(100) == b"WATCHDOG=1"
