"""`portal demo`, as a newcomer runs it."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture
def home() -> Iterator[Path]:
    """A folder that the database's system user can reach."""
    folder = Path(tempfile.mkdtemp(prefix="portal-demo-"))
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


def test_the_demo_reaches_the_end_of_the_journey(home: Path) -> None:
    environment = {name: value for name, value in os.environ.items() if name not in ("DATABASE_URL", "REDIS_URL")}
    done = subprocess.run(
        [sys.executable, "-m", "app.cli", "demo", "--exit", "--json"],
        env={**environment, "PORTAL_HOME": str(home)},
        capture_output=True,
        text=True,
        timeout=400,
        check=False,
    )
    told = json.loads(done.stdout)
    assert done.returncode == 0, told["summary"]["problem"]
    assert told["summary"]["held"] is True
    assert told["summary"]["upstream_calls_by_queries"] == 0
    assert told["summary"]["queries"] >= 12
    whats = " ".join(step["what"] for step in told["timeline"])
    for word in (
        "signs up",
        "the card expires",
        "Awaiting payment method",
        "awaiting_payment_method → activating → active",
        "Internet is available",
        "orders Internet",
        "orders a VPN",
        "orders hosting",
        "raise the price",
        "the hosting is active",
        "refuses the order",
        "asks what SIM Data + SMS + Voice 25GB would cost",
        "tells the network",
        "opens the control panel",
        "at the end of its period",
        "does not ask twice",
        "asks support",
        "looks at the first screen",
        "adds a card",
        "orders",
        "approve",
        "fulfils",
        "issues invoice",
        "pays",
    ):
        assert word in whats
    assert not any(word in done.stdout for word in ("access_token=", "session=", "Bearer ", "4242424242424242"))
