"""The worked examples of docs/how-to-add.md, replayed on a copy of the tree: new files, one line each, checks green."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.docs.markdown import ROOT, Block, blocks

DOCUMENT = ROOT / "docs" / "how-to-add.md"
COPIED = ("app", "eventbus", "migrations", "sandbox", "tests", "pyproject.toml")
SECTIONS = ("A read model", "A query", "A command")
REGISTERED = "tests/projections/test_laws.py::test_every_projection_module_is_registered"
PYTEST = ("-m", "pytest", "-p", "no:cacheprovider", "--noconftest")
CONTRACTS = "from importlinter.cli import lint_imports_command; lint_imports_command()"


def section(name: str) -> list[Block]:
    """The files and changes that a section shows."""
    text = DOCUMENT.read_text().split(f"\n## {name}\n")[1].split("\n## ")[0]
    return [block for block in blocks(text) if block.title]


def copy(destination: Path) -> Path:
    """The parts of the tree that the checks read."""
    for name in COPIED:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, destination / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy2(ROOT / name, destination / name)
    return destination


def replay(tree: Path, block: Block, newest: str) -> None:
    """Write the file, or change the one that is there at every place that the change fits."""
    target = tree / block.title
    if block.language != "diff":
        assert not target.exists(), f"{block.title} exists by now: choose another example"
        target.write_text(block.text.replace('"HEAD"  # the newest revision in this folder', f'"{newest}"'))
        return
    text = target.read_text()
    for hunk in block.text.split("@@\n"):
        lines = hunk.splitlines()
        before = "".join(f"{line[1:]}\n" for line in lines if line[0] != "+")
        after = "".join(f"{line[1:]}\n" for line in lines if line[0] != "-")
        assert before in text, f"{block.title} has no such lines:\n{before}"
        text = text.replace(before, after)
    target.write_text(text)


def newest_revision() -> str:
    """The revision that no other one follows."""
    texts = [path.read_text() for path in (ROOT / "migrations" / "versions").glob("*_*.py")]
    revisions, followed = (
        {found[1] for text in texts for found in re.finditer(rf'^{name} = "(\w+)"', text, re.M)}
        for name in ("revision", "down_revision")
    )
    (head,) = revisions - followed
    return head


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A copy of the tree with the examples in it."""
    made = copy(tmp_path_factory.mktemp("examples"))
    for name in SECTIONS:
        for block in section(name):
            replay(made, block, newest_revision())
    yield made
    shutil.rmtree(made)


@pytest.fixture(scope="module")
def shown(tree: Path) -> list[str]:
    """The Python files that the examples add or change."""
    names = {block.title for name in SECTIONS for block in section(name)}
    return sorted(name for name in names if name.endswith(".py") and (tree / name).exists())


def run(tree: Path, *command: str) -> tuple[int, str]:
    """Run a tool of ours in the copy; returns its status and what it printed."""
    environment = {**os.environ, "PYTHONPATH": str(tree), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(
        [sys.executable, *command], cwd=tree, env=environment, capture_output=True, text=True, timeout=120
    )
    return done.returncode, done.stdout + done.stderr


def test_the_examples_are_formatted_and_pass_the_linter(tree: Path, shown: list[str]) -> None:
    for command in (("format", "--check"), ("check",)):
        status, said = run(tree, "-m", "ruff", *command, "--no-cache", *shown)
        assert status == 0, said


def test_the_examples_are_typed(tree: Path, shown: list[str]) -> None:
    status, said = run(tree, "-m", "mypy", "--cache-dir", str(ROOT / ".mypy_cache"), *shown)
    assert status == 0, said


def test_the_examples_keep_the_import_contracts(tree: Path) -> None:
    status, said = run(tree, "-c", CONTRACTS, "--no-cache")
    assert status == 0, said
    assert "0 broken" in said


def test_the_examples_are_registered_and_their_own_tests_pass(tree: Path, shown: list[str]) -> None:
    tests = [name for name in shown if name.startswith("tests/")]
    status, said = run(tree, *PYTEST, *tests, REGISTERED)
    assert status == 0, said


def test_the_examples_route_is_served_and_described(tree: Path) -> None:
    status, said = run(tree, "-m", "app.cli", "openapi")
    assert status == 0, said
    assert '"/api/account/credit"' in said


def test_a_read_model_without_its_line_is_noticed(tmp_path: Path) -> None:
    made = copy(tmp_path)
    for block in section("A read model"):
        if block.language != "diff":
            replay(made, block, newest_revision())
    status, said = run(made, *PYTEST, REGISTERED)
    assert status == 1
    assert "credits" in said
