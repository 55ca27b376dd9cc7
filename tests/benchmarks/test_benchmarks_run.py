"""Every benchmark runs and prints its rows. How fast is not asked here: times are never asserted."""

import json
import os
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

ROWS = {
    "ingest": {"ingest"},
    "projection": {"projection, one connection", "projection, 4 connections at once"},
    "growth": {"growth"},
    "rebuild": {"rebuild", "queries beside a rebuild"},
    "lag": {"lag at 20/s, p50", "capacity", "lag at half capacity, p50", "lag at half capacity, p99"},
    "activation": {f"approved to activated, {name}" for name in ("vpn", "hosting", "sim")},
    "reads": {"reads, memory", "reads, Redis", "reads, Postgres", "reads, catalog", "reads, mixed", "reads, growth"},
    "streams": {"streams, memory of an idle one", "streams, fan-out to all"},
    "memory": {"memory, api", "memory, worker", "memory, cdc"},
}


@pytest.mark.parametrize("name", ROWS)
def test_a_quick_run_prints_its_rows(name: str, tmp_path: Path) -> None:
    if name == "projection" and not find_spec("eventsourcing"):
        pytest.skip("the library it measures against is installed by `make bench`")
    if name == "reads" and not (shutil.which("wrk") and find_spec("granian")):
        pytest.skip("reads are measured with wrk, against a server installed by `make bench`")
    report = tmp_path / "report.json"
    environment = {each: value for each, value in os.environ.items() if each not in ("DATABASE_URL", "REDIS_URL")}
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks", name, "--quick", "--json", str(report)],
        env=environment,
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    found = {row["name"] for row in json.loads(report.read_text())["results"]}
    assert ROWS[name] <= found
    assert all(each in done.stdout for each in ROWS[name])
