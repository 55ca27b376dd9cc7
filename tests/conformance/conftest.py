"""The npm clients, installed once, and a stand-in for them to talk to."""

import shutil
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.fixtures.salesforce_stand_in import StandIn, stand_in

HERE = Path(__file__).parent
NEEDS = "The conformance clients run on Node.js: install node 18 or later with npm, or leave out tests/conformance."


@pytest.fixture(scope="session")
def node() -> str:
    """The node binary, with the clients of package.json installed next to the scripts."""
    found, npm = shutil.which("node"), shutil.which("npm")
    assert found, NEEDS
    assert npm, NEEDS
    marker = HERE / "node_modules" / ".package-lock.json"
    if not marker.exists() or marker.stat().st_mtime < (HERE / "package.json").stat().st_mtime:
        command = [npm, "install", "--no-package-lock", "--no-audit", "--no-fund", "--loglevel=error"]
        done = subprocess.run(command, cwd=HERE, capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, f"npm could not install the conformance clients:\n{done.stderr}"
    return found


@pytest_asyncio.fixture(scope="session")
async def salesforce(tmp_path_factory) -> AsyncIterator[StandIn]:
    async with stand_in(tmp_path_factory.mktemp("conformance")) as running:
        yield running
