"""Where the benchmarks run: embedded engines in a temporary home, or those DATABASE_URL and REDIS_URL name."""

import os
import platform
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import asyncpg
import msgspec
import psutil

from app.cli import embedded, migrate
from app.cli.processes import Spec, Supervisor
from app.settings import Settings, load


@contextmanager
def engines() -> Iterator[Settings]:
    """Settings of a migrated database and a Redis; the upstreams they name do not exist."""
    supervisor = Supervisor(lambda _: None)
    home = Path(tempfile.mkdtemp(prefix="portal-bench-"))
    try:
        urls = {}
        for variable, prepare in (("DATABASE_URL", embedded.postgres), ("REDIS_URL", embedded.redis)):
            urls[variable] = os.environ.get(variable) or _start(supervisor, prepare(home), home)
        migrate.up(urls["DATABASE_URL"])
        required = [field.name.upper() for field in msgspec.structs.fields(Settings) if field.required]
        yield load({**dict.fromkeys(required, "x" * 32), **urls})
    finally:
        supervisor.stop()
        shutil.rmtree(home, ignore_errors=True)


def _start(supervisor: Supervisor, engine: embedded.Engine, home: Path) -> str:
    log = home / f"{engine.name}.log"
    supervisor.start(Spec(engine.name, engine.argv, dict(os.environ), log, engine.user, engine.stop_signal))
    embedded.wait_until_reachable(engine)
    return engine.url


async def machine(pool: asyncpg.Pool) -> dict[str, Any]:
    """What the figures were measured on."""
    return {
        "cpu": _cpu_model(),
        "cores": os.cpu_count(),
        "ram_gib": round(psutil.virtual_memory().total / 2**30, 1),
        "load_average_1m": round(os.getloadavg()[0], 2),
        "system": platform.platform(),
        "python": platform.python_version(),
        "postgres": await pool.fetchval("SHOW server_version"),
    }


def _cpu_model() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.machine())
