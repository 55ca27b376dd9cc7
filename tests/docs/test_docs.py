"""The documents say what the code does."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
WRITTEN = (
    r'\bcode(?:: str)?\s*=\s*"([a-z_]{4,})"',
    r'Violation\(\s*[^"()]*?f?"[^"]*",\s*"([a-z_]+)"',
    r'"([a-z_]+_required)",',
    r'Unfit\(\s*"([a-z_]+)"',
    r'^    \(r"[^"]+", "([a-z_]+)",',
)
"""The ways in which the source writes a code."""
CODE = re.compile("|".join(WRITTEN), re.M)
DOCUMENTED = re.compile(r"^\| `([a-z_]+)` \|", re.M)


def codes_in_source() -> set[str]:
    """Every stable code that the API can answer, as far as it is spelled as a literal."""
    found: set[str] = set()
    for room in ("http", "commands", "inputs", "queries", "ingest", "integrations/whmcs"):
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


def test_links_between_documents_lead_somewhere() -> None:
    for document in (ROOT / "README.md", *(ROOT / "docs").rglob("*.md")):
        for target in re.findall(r"\]\(([^)#:]+)\)", document.read_text()):
            assert (document.parent / target).exists(), f"{document.name} → {target}"


def test_the_readme_names_only_commands_that_exist() -> None:
    from app.cli import main

    named = set(re.findall(r"`portal ([a-z]+)`", (ROOT / "README.md").read_text()))
    assert named <= set(main.commands)


def test_decisions_are_numbered_once() -> None:
    names = sorted(path.name for path in (ROOT / "docs" / "decisions").glob("*.md"))
    assert [int(name[:4]) for name in names] == list(range(1, len(names) + 1))
    for name in names:
        assert (ROOT / "docs" / "decisions" / name).read_text().startswith(f"# {int(name[:4])}. ")
