"""The TypeScript client: generated from the document, compiled strictly, and used against a running portal."""

import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.cli.stack import embedded
from tests.journey.conftest import Running, stack

CLIENT = Path(__file__).parents[2] / "clients" / "typescript"
NEEDS = "The TypeScript client needs Node.js 20 or later with npm; without them leave out tests/clients."
SECONDS = 300


def run(folder: Path, *command: str) -> str:
    """Run a command in the client's folder; returns what it printed."""
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=SECONDS, check=False)
    assert done.returncode == 0, f"{' '.join(command)}:\n{done.stdout}{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the client, with its dependencies installed, generated from the document and compiled."""
    assert shutil.which("node"), NEEDS
    assert shutil.which("npm"), NEEDS
    root = tmp_path_factory.mktemp("client")
    leave_out = shutil.ignore_patterns("node_modules", "dist", "built")
    folder = shutil.copytree(CLIENT, root / "clients" / "typescript", ignore=leave_out)
    (root / "docs").mkdir()
    shutil.copy(CLIENT.parents[1] / "docs" / "openapi.json", root / "docs")
    shutil.copytree(CLIENT.parents[1] / "docs" / "released", root / "docs" / "released")
    run(folder, "npm", "install", "--no-package-lock", "--no-audit", "--no-fund", "--loglevel=error")
    run(folder, "npm", "run", "generate")
    run(folder, "npm", "run", "build")
    run(folder, "npm", "run", "check")
    return folder


def test_the_package_holds_types_and_code(built: Path) -> None:
    listed = json.loads(run(built, "npm", "pack", "--dry-run", "--json"))[0]["files"]
    names = {each["path"] for each in listed}
    assert {"dist/index.js", "dist/index.d.ts", "README.md"} <= names
    assert not [name for name in names if name.startswith(("src/", "test/"))]


def test_the_rules_of_the_kernel_hold(built: Path) -> None:
    run(built, "node", "--test", "built/test/kernel.test.js")


SHOP_PORT = embedded.free_port()


@pytest.fixture(scope="module")
def running() -> Iterator[Running]:
    """A portal that pages of the shop's origin may call."""
    with stack(CORS_ORIGINS=f"http://127.0.0.1:{SHOP_PORT}") as started:
        yield started


def customer(running: Running) -> dict[str, str]:
    """A sample customer who can log in and has a card."""
    found: list[dict[str, str]] = running.state["customers"]
    return next(each for each in found if each["portal"] and each["has_payment_method"])


def test_a_customers_journey_works_through_the_client(built: Path, running: Running) -> None:
    hana = customer(running)
    said = run(built, "node", "built/test/journey.js", running.state["api_url"], hana["email"], hana["password"])
    steps = json.loads(said.splitlines()[-1])
    assert steps[-2:] == ["own change is visible at once, with cookie and CSRF token", "opened a case"]
    assert "ordered once, although the first answer was lost" in steps


def test_the_client_works_in_a_page_of_another_origin(built: Path, running: Running) -> None:
    browser = shutil.which("chromium")
    if browser is None:
        pytest.skip("Chromium is not installed: apt-get install chromium")
    hana = customer(running)
    run(
        built,
        *("node", "built/test/browser.js", running.state["api_url"], str(SHOP_PORT)),
        *(hana["email"], hana["password"], browser),
    )
