"""The benchmarks run and say what they measured; how fast is nobody's test."""

import json
import os
import subprocess
import sys
from pathlib import Path


def test_a_quick_run_prints_its_table_and_writes_its_json(tmp_path: Path) -> None:
    environment = {name: value for name, value in os.environ.items() if name != "DATABASE_URL"}
    argv = [sys.executable, "-m", "benchmarks", "ingest", "growth", "--quick", "--json", str(tmp_path / "found.json")]
    done = subprocess.run(argv, env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr[-2000:]
    found = json.loads((tmp_path / "found.json").read_text())
    assert {each["name"] for each in found["results"]} == {"ingest", "growth"}
    assert all(each["ours"] > 0 for each in found["results"])
    assert found["machine"]["cores"]
    assert "events/s" in done.stdout
