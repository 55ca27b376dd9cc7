"""The documents say what the code does."""

import re
import tomllib
from datetime import date
from pathlib import Path

import pytest
from click.testing import CliRunner

from app.cli import main
from app.projections.registry import SLICES

ROOT = Path(__file__).parents[2]
WRITTEN = (
    r'\bcode(?:: str)?\s*=\s*"([a-z_]{4,})"',
    r'Violation\(\s*[^"()]*?f?"[^"]*",\s*"([a-z_]+)"',
    r'"([a-z_]+_required)",',
    r'(?:Unfit|Advice)\(\s*"([a-z_]+)"',
    r'^    "[a-z]+": \((?:"[a-z_]+", )?"([a-z_]+)", "[A-Z]',
    r'^    \(r"[^"]+", "([a-z_]+)",',
)
"""The ways in which the source writes a code."""
CODE = re.compile("|".join(WRITTEN), re.M)
DOCUMENTED = re.compile(r"^\| `([a-z_]+)` \|", re.M)

DECISION = re.compile(
    r"# (?P<number>\d+)\. .+\n\nDate: (?P<date>\d{4}-\d\d-\d\d)\. "
    r"Status: (?:accepted|withdrawn|superseded by \[\d+\]\((?P<successor>\d{4}-[a-z0-9-]+\.md)\))\.\n\n"
)
KINDS = {"Before you upgrade", "Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}
"""The kinds of change in a changelog, as keepachangelog.com has them, after what has to be done first."""


def codes_in_source() -> set[str]:
    """Every stable code that the API can answer, as far as it is spelled as a literal."""
    found: set[str] = set()
    for room in ("http", "commands", "inputs", "queries", "ingest", "ordering", "schedule", "integrations/whmcs"):
        for path in (ROOT / "app" / room).rglob("*.py"):
            found |= {next(filter(None, groups)) for groups in CODE.findall(path.read_text())}
    errors = re.findall(r'^    code = "([a-z_]+)"', (ROOT / "app" / "errors.py").read_text(), re.M)
    return found | set(errors)


def test_every_error_code_is_documented() -> None:
    documented = set(DOCUMENTED.findall((ROOT / "docs" / "errors.md").read_text()))
    assert codes_in_source() - documented == set()


def test_no_documented_error_code_is_dead() -> None:
    text = "".join(path.read_text() for path in (ROOT / "app").rglob("*.py"))
    documented = DOCUMENTED.findall((ROOT / "docs" / "errors.md").read_text())
    assert [code for code in documented if f'"{code}"' not in text] == []


def test_every_code_that_fulfilment_writes_is_listed_and_no_other() -> None:
    listed = {
        code
        for row in (ROOT / "docs" / "fulfilment.md").read_text().split("## Codes")[1].split("\n## ")[0].splitlines()
        for code in re.findall(r"`([A-Z_]+)`", row.split(" | ")[0])
    }
    sources = [*(ROOT / "app" / "commands" / "fulfilment").rglob("*.py")]
    sources.append(ROOT / "app" / "integrations" / "salesforce" / "activation.py")
    written = {code for path in sources for code in re.findall(r'"([A-Z]{3,}(?:_[A-Z]+)+)"', path.read_text())} - {
        "RESUMED_BY"
    }
    made = {
        f"{name}_{end}" for name in ("SALESFORCE", "WHMCS", "FREEBIT", "WHM") for end in ("UNAVAILABLE", "REJECTED")
    }
    assert written | made == listed


def test_the_steps_of_fulfilment_are_documented_in_order() -> None:
    from app.commands.fulfilment.steps import STEPS

    table = (ROOT / "docs" / "fulfilment.md").read_text().split("## Steps")[1].split("## Codes")[0]
    assert re.findall(r"^\| `([a-z_]+)` \|", table, re.M) == list(STEPS)


def test_every_step_of_a_template_is_documented_with_its_parameters() -> None:
    from app.commands.fulfilment.provision.parameters import FORMATS

    section = (ROOT / "docs" / "fulfilment.md").read_text().split("## After activation")[1]
    told = {row.split("`")[1]: row.split(" | ")[2] for row in section.splitlines() if row.startswith("| `")}
    assert list(told) == list(FORMATS)
    for name, format_ in FORMATS.items():
        assert re.findall(r"`([a-z_]+)`:", told[name]) == list(format_.__struct_fields__)


def test_the_readme_names_only_commands_that_exist() -> None:
    named = set(re.findall(r"`portal ([a-z]+)`", (ROOT / "README.md").read_text()))
    assert named <= set(main.commands)


def records() -> list[Path]:
    """The decision records."""
    return sorted((ROOT / "docs" / "decisions").glob("[0-9]*.md"))


def test_decisions_are_numbered_once_and_listed() -> None:
    assert [int(path.name[:4]) for path in records()] == list(range(1, len(records()) + 1))
    listed = re.findall(
        r"^\| (\d+) \| \[(.+)\]\((.+)\) \| (.+) \|$", (ROOT / "docs" / "decisions" / "README.md").read_text(), re.M
    )
    said = []
    for path in records():
        title, date = re.match(r"# \d+\. (.+)\n\nDate: (\S+)\.", path.read_text()).groups()  # type: ignore[union-attr]
        said.append((str(int(path.name[:4])), title, path.name, date))
    assert listed == said


@pytest.mark.parametrize("path", records(), ids=lambda path: path.stem)
def test_a_decision_has_its_number_a_date_a_status_and_its_parts(path: Path) -> None:
    number, text = int(path.name[:4]), path.read_text()
    found = DECISION.match(text)
    assert found
    assert int(found["number"]) == number
    assert date(2026, 11, 1) < date.fromisoformat(found["date"]) <= date.today()
    if found["successor"]:
        assert (path.parent / found["successor"]).exists()
    for part in ("**Context.**", "**Decision.**", "**Consequences.**"):
        assert part in text


def test_the_map_answers_twenty_questions_with_paths() -> None:
    section = (ROOT / "docs" / "architecture.md").read_text().split("## Where is …?")[1]
    answers = re.findall(r"^\| (.+\?) \| (.+) \|$", section, re.M)
    assert len(answers) >= 20
    assert [question for question, answer in answers if "`app/" not in answer] == []


def test_the_glossary_is_sorted_and_linked_from_the_readme() -> None:
    words = re.findall(r"^\| \*\*(.+)\*\* \| ", (ROOT / "docs" / "glossary.md").read_text(), re.M)
    assert words == sorted(words)
    assert "(docs/glossary.md)" in (ROOT / "README.md").read_text()


def test_analysts_are_shown_every_view_of_a_projector() -> None:
    text = (ROOT / "docs" / "analysts.md").read_text()
    assert [module.__name__ for module in SLICES if f"`{module.__name__.rpartition('.')[2]}`" not in text] == []


def test_the_site_leads_to_every_document() -> None:
    navigation = (ROOT / "mkdocs.yml").read_text()
    named = set(re.findall(r"([\w./-]+\.md)$", navigation, re.M))
    pages = {path.relative_to(ROOT / "docs").as_posix() for path in (ROOT / "docs").rglob("*.md")}
    elsewhere = set(re.findall(r'": "(.+\.md)"', (ROOT / "docs" / "site" / "hooks.py").read_text()))
    assert pages | elsewhere == named


def test_the_changelog_begins_with_what_is_unreleased_and_then_the_version_that_is_installed() -> None:
    text = (ROOT / "CHANGELOG.md").read_text()
    releases = re.findall(r"^## \[(.+?)\](?: - (\d{4}-\d\d-\d\d))?$", text, re.M)
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert [name for name, _ in releases[:2]] == ["Unreleased", version]
    assert all(day for _, day in releases[1:])
    assert set(re.findall(r"^### (.+)$", text, re.M)) <= KINDS
    assert CliRunner().invoke(main, ["--version"]).output.strip() == f"portal {version}"


def test_the_readme_says_that_no_licence_was_chosen() -> None:
    assert "licence" in (ROOT / "README.md").read_text()
    assert not list(ROOT.glob("LICEN[CS]E*")), "then say so in the README"
