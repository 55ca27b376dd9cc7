"""Comments and documents refer only to what is in the repository."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ROOMS = ("app", "benchmarks", "deploy", "docs", "eventbus", "migrations", "sandbox", "tests")
TEXTS = {".md", ".py", ".php", ".sh", ".toml", ".yml", ".yaml", ".conf", ".service", ".socket", ".js", ".xml"}
GENERATED = (
    "docs/openapi.json",
    "eventbus/pubsub_api_pb2.py",
    "tests/docs/asvs_5_0.txt",
    "tests/docs/test_links.py",
    "tests/docs/test_references.py",
)

SKIPPED = {"__pycache__", "node_modules", ".venv"}
ELSEWHERE = {
    "a numbered requirement": re.compile(
        r"\([CF]\d{1,2}(?:-\d{1,3}|[a-z])?(?:, ?[CF]\d{1,2})*\)|\bF\d-\d{2,3}\b|[\"`]C\d{1,2}: "
    ),
    "a numbered task": re.compile(r"\b(?:issue|task|ticket|milestone) #?\d+\b|\(I\d{1,2}\)", re.I),
    "a document of another place": re.compile(r"\b(?:re)?design\.md\b|\.\./shared\b|\bISSUE\w*\.md\b|\bBRIEF\w*\.md\b"),
}
"""Names that only mean something to readers of documents that are not here."""
BASES = (ROOT, ROOT / "tests")
"""Names begin at the root; those in docs/asvs.md begin at the tests."""
FILE = re.compile(
    rf"(?<![\w/.{{}}-])(?:{'|'.join(ROOMS)})/[\w./-]*\w\.(?:py|md|php|sh|toml|yml|json|txt|service|socket)\b"
)
EXAMPLES = "docs/how-to-add.md:"
"""Names the files that its examples make; `test_examples.py` makes them."""
DECISION = re.compile(r"\bdecisions/(\d{4})")


def texts() -> list[Path]:
    """List the text files of the repository."""
    files = [file for room in ROOMS for file in (ROOT / room).rglob("*") if not SKIPPED & set(file.parts)]
    chosen = [*ROOT.glob("*.md"), ROOT / "Makefile", ROOT / ".env.example", *files]
    return [
        file
        for file in chosen
        if file.is_file()
        and (file.suffix in TEXTS or file.parent == ROOT)
        and str(file.relative_to(ROOT)) not in GENERATED
    ]


def lines() -> Iterator[tuple[str, str]]:
    """Yield every line of prose or code with its place."""
    for file in texts():
        for number, line in enumerate(file.read_text().splitlines(), 1):
            yield f"{file.relative_to(ROOT)}:{number}", line


@pytest.mark.parametrize("kind", ELSEWHERE)
def test_nothing_refers_to_what_is_not_in_the_repository(kind: str) -> None:
    found = [f"{place} {line.strip()}" for place, line in lines() if ELSEWHERE[kind].search(line)]
    assert found == [], kind


def test_every_file_that_is_named_exists() -> None:
    missing = [
        f"{place} {named}"
        for place, line in lines()
        if not place.startswith(EXAMPLES)
        for named in FILE.findall(line)
        if not any((base / named).exists() for base in BASES)
    ]
    assert missing == []


def test_every_decision_record_that_is_named_exists() -> None:
    known = {file.name[:4] for file in (ROOT / "docs" / "decisions").glob("*.md")}
    missing = [
        f"{place} {number}" for place, line in lines() for number in DECISION.findall(line) if number not in known
    ]
    assert missing == []
