"""A slice of the soak: rude upstreams, a whole portal, and a judgement of what is left.

`PORTAL_SOAK_SECONDS=600 pytest tests/faults/test_rude.py -s`, or `python -m tests.faults.soak`, is the whole of it.
"""

import os
import sys
from collections.abc import AsyncIterator, Iterator

import pytest

from app.resources import Resources, open_resources
from app.settings import load
from tests.faults.conftest import IMPATIENT, environment_of
from tests.faults.report import Plan
from tests.faults.soak import soak
from tests.journey.conftest import Running, stack

SECONDS = float(os.environ.get("PORTAL_SOAK_SECONDS", "40"))
SEED = int(os.environ.get("FAULT_SEED", "7"))
HEAL_SECONDS = float(os.environ.get("PORTAL_HEAL_SECONDS", "90"))
"""Three times what is promised of a machine of its own, since the suite has others beside it."""


@pytest.fixture(scope="module")
def impatient() -> Iterator[Running]:
    """A portal that gives up on an upstream within two seconds."""
    with stack(**IMPATIENT) as started:
        yield started


@pytest.fixture
async def staff(impatient: Running) -> AsyncIterator[Resources]:
    async with open_resources(load(environment_of(impatient) | IMPATIENT), pool_size=8) as opened:
        yield opened


async def test_healthy_records_are_right_in_the_end_and_others_are_named(impatient: Running, staff: Resources) -> None:
    report = await soak(impatient, staff, Plan(SECONDS, SEED, heal_seconds=HEAL_SECONDS))
    sys.stdout.write("\n" + report.text() + "\n")
    assert report.changes
    assert report.met
    assert report.problems == []
