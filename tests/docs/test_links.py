"""Links lead somewhere, and every path that a document names exists."""

import re
import subprocess
from functools import cache
from pathlib import Path, PurePosixPath

import pytest

from tests.docs import markdown
from tests.docs.markdown import ROOT, documents, name_of

TOP = ("app", "benchmarks", "deploy", "docs", "eventbus", "migrations", "sandbox", "tests")
FILE = re.compile(r"[\w@.+/-]+\.(?:py|sql|md|toml|json|ya?ml|cfg|conf|php|txt|svg|proto|xml|service|socket)")
MODULE = re.compile(r"(?:app|sandbox|eventbus|migrations|benchmarks|tests)(?:\.[a-z_0-9]+)+")
MADE = frozenset(
    {
        "config.php",
        "return.php",
        "portal-hooks/return.php",
        "portal.env",
        "certificate.pem",
        "certificate.json",
        "results.json",
        "includes/hooks/portal.php",
    }
)
"""Files that only an installation or a run makes."""


@cache
def tracked() -> frozenset[str]:
    """Files of the repository, those about to be committed included, and the folders that hold them."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],  # noqa: S607
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.splitlines()
    files = [name for name in listed if (ROOT / name).exists()]
    return frozenset({*files, *(parent.as_posix() for name in files for parent in PurePosixPath(name).parents)})


@cache
def base_names() -> frozenset[str]:
    return frozenset(PurePosixPath(name).name for name in tracked())


def missing(text: str) -> list[str]:
    """What stands in backticks, is a path or a module of ours, and does not exist."""
    shown = {block.title for block in markdown.blocks(text)}
    return [span for span in markdown.spans(text) if not (span in shown or _exists(span))]


def _exists(span: str) -> bool:
    path = span.partition("::")[0].rstrip("/")
    if MODULE.fullmatch(path):
        return _is_module(path)
    if FILE.fullmatch(path) and not path.startswith("/"):
        return path in MADE or (path in base_names() if "/" not in path else _leads_on(path))
    if path.split("/")[0] in TOP and re.fullmatch(r"[\w./-]+/[\w./-]+", path):
        return _leads_on(path)
    return True


def _is_module(dotted: str) -> bool:
    """A module, or a name in one."""
    path = dotted.replace(".", "/")
    return any(f"{each}.py" in tracked() or each in tracked() for each in (path, path.rpartition("/")[0]))


def _leads_on(path: str) -> bool:
    """A path from the root, or from a folder that documents leave out."""
    return any(f"{start}{path}" in tracked() for start in ("", "docs/", "tests/", "deploy/"))


@pytest.mark.parametrize("document", documents(), ids=name_of)
def test_every_path_that_a_document_names_exists(document: Path) -> None:
    assert missing(document.read_text()) == []


@pytest.mark.parametrize("document", documents(), ids=name_of)
def test_links_lead_to_a_file_and_a_heading_that_exist(document: Path) -> None:
    broken = []
    for target in markdown.links(document.read_text()):
        path, _, anchor = target.partition("#")
        if re.match(r"[a-z]+:", path):
            continue
        file = (document.parent / path).resolve() if path else document
        if not file.exists() or (anchor and anchor not in markdown.anchors(file.read_text())):
            broken.append(target)
    assert broken == []


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("`app/http/app.py`, `app/errors`, `app.cli`", ["app/errors"]),
        ("`app/gone.py::name` and `gone.py` and `app.gone.away`", ["app/gone.py::name", "gone.py", "app.gone.away"]),
        ("`app/queries/` `app/http/<name>.py` `GET /api/orders` `/webhooks/whmcs` `problems.py`", []),
        ('```python title="app/new.py"\n```\n`app/new.py` `tests/docs/markdown.py`', []),
    ],
)
def test_a_path_that_does_not_exist_is_found(text: str, found: list[str]) -> None:
    assert missing(text) == found


def test_anchors_are_those_that_github_makes() -> None:
    text = "# What is `it`?\n## Reading your own write\n### It's 5 — no, 6"
    assert markdown.anchors(text) == {"what-is-it", "reading-your-own-write", "its-5--no-6"}
