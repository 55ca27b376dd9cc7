"""A whole portal is well, and what is taken away from it is found."""

import json
import os
import signal
import subprocess
import sys
from typing import Any

from tests.journey.conftest import Running


def doctor(running: Running, *arguments: str) -> tuple[int, dict[str, dict[str, Any]]]:
    """`portal doctor` as an operator in the folder of what `portal up` runs."""
    environment = {name: value for name, value in os.environ.items() if name not in ("DATABASE_URL", "REDIS_URL")}
    ended = subprocess.run(
        [sys.executable, "-m", "app.cli", "doctor", "--json", *arguments],
        env={**environment, "PORTAL_HOME": str(running.home)},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert ended.returncode in (0, 1), ended.stderr
    found = json.loads(ended.stdout)["checks"]
    return ended.returncode, {each["area"] if each["check"] == "api" else each["check"]: each for each in found}


def test_a_whole_portal_is_well_and_the_round_trips_close(running: Running) -> None:
    linked = next(each for each in running.state["customers"] if each["whmcs_client_id"] and each["portal"])
    for _ in range(5):  # on a busy machine a feed is late for a while, and the doctor is right to say so
        status, found = doctor(running, "--whmcs-client", str(linked["whmcs_client_id"]))
        unwell = {name: each["status"] for name, each in found.items() if each["status"] != "ok"}
        assert unwell.keys() - {"feeds"} == {"scanner"}, found
        if "feeds" not in unwell:
            break
    assert unwell == {"scanner": "skipped"}, found
    assert status == 0


def test_a_worker_that_is_frozen_is_found(running: Running) -> None:
    pid = running.pid("worker")
    os.kill(pid, signal.SIGSTOP)
    try:
        status, found = doctor(running)
    finally:
        os.kill(pid, signal.SIGCONT)
    assert (status, found["worker"]["status"]) == (1, "failed")
    assert "portal worker" in found["worker"]["advice"]
