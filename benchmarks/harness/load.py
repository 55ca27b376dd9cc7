"""Load from outside: wrk on a core of its own, and what it saw."""

import os
import re
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import psutil
from msgspec import Struct

SERVER_CORE, LOAD_CORE = "0", "1"
CONNECTIONS = 32
_UNITS_MS = {"us": 0.001, "ms": 1.0, "s": 1000.0, "m": 60_000.0}


class Seen(Struct, frozen=True):
    """One run. `cpu_us` is processor time of the server's processes a request, engines not counted."""

    per_second: float
    p50_ms: float
    p99_ms: float
    cpu_us: float


def pinned(core: str, argv: Sequence[str]) -> list[str]:
    """Return the command pinned to one core, where one is to spare and the system can."""
    able = shutil.which("taskset") and (os.cpu_count() or 1) > 1
    return ["taskset", "-c", core, *argv] if able else list(argv)


def wrk(process: Any, url: str, seconds: float, script: Path | None = None, connections: int = CONNECTIONS) -> Seen:
    """Ask one server as fast as it answers.

    Raises:
        RuntimeError: wrk is not installed, or an answer was not a 2xx.
    """
    if not shutil.which("wrk"):
        raise RuntimeError("wrk is needed to measure reads: apt-get install wrk, or brew install wrk")
    argv = ["wrk", "-t1", f"-c{connections}", f"-d{max(1, round(seconds))}s", "--latency"]
    argv += ["-s", str(script)] if script else []
    before = cpu_seconds(process)
    done = subprocess.run(pinned(LOAD_CORE, [*argv, url]), capture_output=True, text=True, check=True)
    spent = cpu_seconds(process) - before
    if wrong := re.search(r"Non-2xx.*|Socket errors.*", done.stdout):
        raise RuntimeError(f"{url}: {wrong[0]}")
    requests = int(_found(r"(\d+) requests in", done.stdout)[1])
    return Seen(
        per_second=float(_found(r"Requests/sec:\s+([\d.]+)", done.stdout)[1]),
        p50_ms=_milliseconds(done.stdout, "50%"),
        p99_ms=_milliseconds(done.stdout, "99%"),
        cpu_us=spent / requests * 1e6,
    )


def cpu_seconds(process: Any) -> float:
    """Processor time of a process and its children."""
    family = [process, *process.children(recursive=True)]
    return float(sum(sum(each.cpu_times()[:2]) for each in family if psutil.pid_exists(each.pid)))


def resident_bytes(process: Any) -> float:
    """Memory of a process and its children."""
    family = [process, *process.children(recursive=True)]
    return float(sum(each.memory_info().rss for each in family if psutil.pid_exists(each.pid)))


def _milliseconds(text: str, share: str) -> float:
    found = _found(rf"{share}\s+([\d.]+)(us|ms|s|m)\b", text)
    return float(found[1]) * _UNITS_MS[found[2]]


def _found(pattern: str, text: str) -> "re.Match[str]":
    found = re.search(pattern, text)
    if found is None:
        raise RuntimeError(f"wrk said something unexpected: {text[-500:]}")
    return found
