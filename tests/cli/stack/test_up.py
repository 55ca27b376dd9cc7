"""`portal up`: what it says of itself, that it is alone in its folder, and that it leaves nothing behind."""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

PATIENCE_SECONDS = 240
NAMES = ("postgres", "redis", "sandbox", "worker", "cdc", "api")


class Up:
    """`portal up` in one folder, started as often as a test likes."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.state_file = home / "given.json"
        self.started: list[subprocess.Popen[bytes]] = []

    def start(self) -> subprocess.Popen[bytes]:
        self.home.mkdir(exist_ok=True)
        own = {name: value for name, value in os.environ.items() if name not in ("DATABASE_URL", "REDIS_URL")}
        process = subprocess.Popen(
            [sys.executable, "-m", "app.cli", "up", "--state-file", str(self.state_file)],
            env={**own, "PORTAL_HOME": str(self.home)},
            stdout=subprocess.DEVNULL,
            stderr=(self.home / "up.log").open("ab"),
        )
        self.started.append(process)
        return process

    def ready(self) -> dict[str, Any]:
        self.state_file.unlink(missing_ok=True)
        process = self.start()
        until(lambda: self.state_file.exists() or process.poll() is not None)
        assert process.poll() is None, self.log()
        state: dict[str, Any] = json.loads(self.state_file.read_text())
        return state

    def log(self) -> str:
        return (self.home / "up.log").read_text()


def until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not holds():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.05)


def running(home: Path) -> list[str]:
    """Every process that was started for a folder: all of them name it in their arguments or environment."""
    found = []
    for process in psutil.process_iter(["cmdline", "status"]):
        try:
            told = [*(process.info["cmdline"] or ()), process.environ().get("PORTAL_HOME", "")]
        except psutil.Error:
            continue
        if process.info["status"] != psutil.STATUS_ZOMBIE and any(str(home) in each for each in told):
            found.append(" ".join(told)[:120])
    return found


@pytest.fixture
def up() -> Iterator[Up]:
    """Not in pytest's own folder: another run of pytest closes that to the user that Postgres runs as under root."""
    with tempfile.TemporaryDirectory(prefix="portal-up-") as folder:
        up = Up(Path(folder) / "home")
        yield up
        for process in up.started:
            process.kill()
            process.wait()
        until(lambda: not running(up.home))


def _seen(api_url: str) -> set[str]:
    """The feeds that have brought a canary back."""
    health = httpx.get(f"{api_url}/api/health/services/cache", trust_env=False).json()
    return {each["feed"] for each in health["canaries"] if each["took_seconds"] is not None}


def test_the_state_file_is_enough_to_drive_the_stack_and_ctrl_c_stops_all_of_it(up: Up) -> None:
    state = up.ready()
    assert up.state_file.stat().st_mode & 0o077 == 0
    assert httpx.get(f"{state['api_url']}/api/public/services", trust_env=False).json()["items"]
    assert httpx.get(f"{state['control_url']}/health", trust_env=False).status_code == 200
    assert set(state["processes"]) == set(NAMES)
    member = next(each for each in state["customers"] if each["portal"])
    for who in (member, state["staff"]):
        body = {"email": who["email"], "password": who["password"]}
        assert httpx.post(f"{state['api_url']}/api/auth/login", json=body, trust_env=False).status_code == 200
    names = {"database_url", "redis_url", "ca_file", "salesforce", "whmcs", "freebit", "whm"}
    assert names <= state.keys()
    assert state["whmcs"]["webhook_secret"]
    until(lambda: {"/data/Portal__chn", "whmcs:webhooks"} <= _seen(state["api_url"]))

    second = up.start()
    assert second.wait(PATIENCE_SECONDS) == 1
    assert f"Another portal is running in {up.home} (process {up.started[0].pid} at {state['api_url']})" in up.log()

    up.started[0].send_signal(signal.SIGINT)
    assert up.started[0].wait(PATIENCE_SECONDS) == 0
    assert running(up.home) == []


def test_a_killed_portal_leaves_nothing_behind_and_comes_back_with_its_data(up: Up) -> None:
    state = up.ready()
    os.kill(state["processes"]["worker"], signal.SIGKILL)
    until(lambda: json.loads(up.state_file.read_text())["processes"]["worker"] != state["processes"]["worker"])
    os.kill(up.started[0].pid, signal.SIGKILL)
    up.started[0].wait()
    until(lambda: not running(up.home))
    again = up.ready()
    assert again["database_url"] != state["database_url"]
    assert again["salesforce"] == state["salesforce"]


def test_ctrl_c_in_the_middle_of_the_start_stops_what_runs_so_far(up: Up) -> None:
    process = up.start()
    until(lambda: "redis started" in up.log())
    process.send_signal(signal.SIGINT)
    assert process.wait(PATIENCE_SECONDS) == 0
    assert "stopping" in up.log()
    assert running(up.home) == []
