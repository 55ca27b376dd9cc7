"""The whole portal as processes, started by `portal up` next to the sandbox."""

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

import httpx

START_SECONDS = 90
STOP_SECONDS = 30

State = dict[str, Any]
"""The state file, see the table in the design: URLs, credentials, sample customers, processes by name."""


@contextmanager
def running() -> Iterator[State]:
    """Yield a stack of its own in a temporary folder, engines included. The sandbox keeps nothing on disk, because the
    cost of standing in for Salesforce is not part of the figures.

    Raises:
        RuntimeError: it did not come up.
    """
    home = Path(tempfile.mkdtemp(prefix="portal-bench-"))
    state_file = home / "state.json"
    own = {name: value for name, value in os.environ.items() if name not in ("DATABASE_URL", "REDIS_URL")}
    with (home / "up.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "app.cli", "up", "--state-file", str(state_file)],
            env={**own, "PORTAL_HOME": str(home), "SANDBOX_VOLATILE": "1"},
            stdout=subprocess.DEVNULL,
            stderr=log,
            start_new_session=True,
        )
    try:
        yield _state(process, state_file) | {"home": str(home)}
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(STOP_SECONDS)
        finally:
            process.kill()
            shutil.rmtree(home, ignore_errors=True)


def _state(process: "subprocess.Popen[bytes]", state_file: Path) -> State:
    deadline = time.monotonic() + START_SECONDS
    while not state_file.exists():
        if process.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(f"the portal did not come up: {(state_file.parent / 'up.log').read_text()[-2000:]}")
        time.sleep(0.1)
    found: State = json.loads(state_file.read_text())
    return found


async def logged_in(state: State, customer: dict[str, Any]) -> httpx.AsyncClient:
    """Return a client of the API with the customer's session; the caller closes it."""
    client = httpx.AsyncClient(base_url=state["api_url"], timeout=30, trust_env=False)
    body = {"email": customer["email"], "password": customer["password"]}
    answer = (await client.post("/api/auth/login", json=body)).raise_for_status()
    client.cookies.clear()
    client.headers["authorization"] = f"Bearer {answer.json()['token']}"
    return client


def members(state: State) -> list[dict[str, Any]]:
    """Return the sample customers who can log in."""
    return [customer for customer in state["customers"] if customer["portal"]]
