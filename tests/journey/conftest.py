"""A really running portal: `portal up` as a person would start it, every part a process of its own."""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest

START_SECONDS = 240


class Running:
    """The stack, its state file, its folder, and its processes by name."""

    def __init__(self, process: subprocess.Popen[bytes], state: dict[str, Any], home: Path) -> None:
        self.process = process
        self.state = state
        self.home = home

    def pid(self, name: str) -> int:
        """Return the present process of a part, once it runs; it changes with every restart."""
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            for child in psutil.Process(self.process.pid).children():
                if _is(child, name):
                    return child.pid
            time.sleep(0.05)
        raise RuntimeError(f"{name} is not running")

    def kill(self, name: str) -> int:
        """Kill one part and its whole process group with SIGKILL, and return the pid it had."""
        pid = self.pid(name)
        os.killpg(pid, signal.SIGKILL)
        return pid

    def stop(self, name: str) -> None:
        """SIGTERM, and wait until it has ended."""
        process = psutil.Process(self.pid(name))
        process.terminate()
        process.wait(START_SECONDS)


def _is(process: psutil.Process, name: str) -> bool:
    try:
        command = process.cmdline()
    except psutil.Error:
        return False
    wanted = {
        "postgres": lambda: command[0].endswith("/postgres"),
        "redis": lambda: "redis-server" in command[0],
        "sandbox": lambda: "sandbox" in command,
    }
    return bool(command) and wanted.get(name, lambda: command[-2:] == ["app.cli", name])()


@pytest.fixture(scope="module")
def running() -> Iterator[Running]:
    """A portal of its own for each module."""
    with stack() as started:
        yield started


@contextmanager
def stack(**extra: str) -> Iterator[Running]:
    """Run a portal in a folder of its own that the database's system user can reach; `extra` joins its environment."""
    home = Path(tempfile.mkdtemp(prefix="portal-"))
    state_file = home / "state.json"
    environment = {name: value for name, value in os.environ.items() if name not in ("DATABASE_URL", "REDIS_URL")}
    process = subprocess.Popen(
        [sys.executable, "-m", "app.cli", "up", "--state-file", str(state_file)],
        env={**environment, **extra, "PORTAL_HOME": str(home)},
        stdout=subprocess.DEVNULL,
        stderr=(home / "up.log").open("wb"),
        start_new_session=True,
    )
    try:
        yield Running(process, _state(process, state_file), home)
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(120)
        finally:
            process.kill()
            shutil.rmtree(home, ignore_errors=True)


def _state(process: subprocess.Popen[bytes], state_file: Path) -> dict[str, Any]:
    deadline = time.monotonic() + START_SECONDS
    while not state_file.exists():
        if process.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError((state_file.parent / "up.log").read_text()[-2000:])
        time.sleep(0.1)
    found: dict[str, Any] = json.loads(state_file.read_text())
    return found
