"""Redocly and Spectral find nothing in any of the documents. Skipped only where npm's registry cannot be reached."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from app.http.openapi.audiences import FILES

HERE = Path(__file__).parent / "linters"
DOCS = Path(__file__).parents[3] / "docs"
NEEDS = "The linters of the document need Node.js 20.19 or later with npm."
SECONDS = 300
QUIET = {"REDOCLY_TELEMETRY": "off", "REDOCLY_SUPPRESS_UPDATE_NOTICE": "true", "CI": "true"}
REDOCLY = ("node_modules/.bin/redocly", "lint", "--config", "redocly.yaml", "--format=stylish")
SPECTRAL = ("node_modules/.bin/spectral", "lint", "-r", ".spectral.yaml", "--fail-severity=hint", "--quiet")


def run(folder: Path, *command: str) -> subprocess.CompletedProcess[str]:
    """Run a command in the linters' folder."""
    environment = {**os.environ, **QUIET}
    return subprocess.run(
        command, cwd=folder, capture_output=True, text=True, timeout=SECONDS, check=False, env=environment
    )


@pytest.fixture(scope="module")
def linters(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the linters installed, and the documents."""
    assert shutil.which("npm"), NEEDS
    folder = shutil.copytree(HERE, tmp_path_factory.mktemp("lint") / "linters")
    installed = run(folder, "npm", "install", "--no-package-lock", "--no-audit", "--no-fund", "--loglevel=error")
    if installed.returncode and run(folder, "npm", "ping").returncode:
        pytest.skip("npm's registry cannot be reached")
    assert installed.returncode == 0, installed.stderr
    for name in FILES.values():
        shutil.copy(DOCS / name, folder)
    return folder


@pytest.mark.parametrize("linter", [REDOCLY, SPECTRAL], ids=["redocly", "spectral"])
def test_a_linter_finds_nothing(linters: Path, linter: tuple[str, ...]) -> None:
    done = run(linters, *linter, *FILES.values())
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_linters_read_the_documents(linters: Path) -> None:
    broken = (DOCS / FILES["inbound"]).read_text().replace('"operationId"', '"operationName"')
    (linters / "broken.json").write_text(broken)
    assert run(linters, *REDOCLY, "broken.json").returncode
    assert run(linters, *SPECTRAL, "broken.json").returncode
