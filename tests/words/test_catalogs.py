"""Every sentence that is said is in a catalog, in every language, with the parameters it is given."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from string import Formatter

import pytest

from app.words.catalog import CatalogError, catalog, loaded
from app.words.languages import LANGUAGES

APP = Path("app")
TERMS = ("kinds.", "service_status.", "billing_cycles.")
"""Areas whose entries are said as the value of a parameter."""
ERRORS = frozenset(
    {"Violation", "Advice", "OrderReason", "InvalidRequest", "RuleViolated", "NotFound", "Conflict", "Outdated"}
    | {"NotAuthenticated", "NotAllowed", "PaymentRefused", "RateLimited", "NotReady", "Overloaded", "Unfit"}
)
SENTENCE = re.compile(r"[A-Z].* .*[.?!]$", re.S)
FOR_STAFF = (
    *("app/cli", "app/http/routes/admin", "app/commands/fulfilment", "app/commands/providers", "app/personal_data"),
    *("app/commands/dunning/staff", "app/commands/dunning/grace.py", "app/ingest", "app/projections", "app/schedule"),
    *("app/commands/billing/captures_by_staff.py", "app/commands/billing/capture_looks.py"),
    *("app/commands/billing/charge_invoice.py", "app/commands/execution/agreed_amounts.py"),
    *("app/commands/identity/enrolment/invitations.py", "app/commands/identity/staff_members.py"),
    *("app/commands/subscriptions/staff.py", "app/commands/subscriptions/staff_view.py"),
    *("app/commands/subscriptions/apply_plan.py", "app/commands/subscriptions/plan_changes/journal.py"),
    *("app/commands/subscriptions/suspension.py", "app/integrations"),
)
"""What only staff read, which is in English."""


def calls(name: str) -> Iterator[tuple[Path, ast.Call]]:
    for file in sorted(APP.rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == name:
                yield file, node


SAID = [(file, call) for file, call in calls("say") if not file.is_relative_to(APP / "cli")]


def test_every_code_that_is_said_is_in_a_catalog_with_its_parameters() -> None:
    wrong = []
    for file, call in SAID:
        at = f"{file}:{call.lineno}"
        code = call.args[0]
        if not isinstance(code, ast.Constant):
            wrong.append(f"{at} says a code that is not written there")
        elif code.value not in catalog():
            wrong.append(f"{at} says {code.value}, which is in no catalog")
        elif {each.arg for each in call.keywords} != catalog()[code.value].parameters:
            wrong.append(f"{at} says {code.value} with other parameters")
    assert not wrong
    assert len(SAID) > 400


def test_every_sentence_of_a_catalog_is_said() -> None:
    said = {call.args[0].value for _, call in SAID if isinstance(call.args[0], ast.Constant)}
    unsaid = {code for code in catalog() if not code.startswith(TERMS)} - said
    assert not unsaid


def test_customers_are_refused_in_sentences_of_the_catalogs() -> None:
    wrong = []
    for name in sorted(ERRORS):
        for file, call in calls(name):
            if not str(file).startswith(FOR_STAFF):
                texts = [each.value for each in call.args if isinstance(each, ast.Constant)]
                said = [each for each in texts if isinstance(each, str) and SENTENCE.search(each)]
                said += ["f''" for each in call.args if isinstance(each, ast.JoinedStr) and " " in ast.unparse(each)]
                wrong += [f"{file}:{call.lineno}: {name} with {each}" for each in said]
    assert not wrong


@pytest.mark.parametrize("code", sorted(catalog()))
def test_a_sentence_reads_as_its_language(code: str) -> None:
    entry = catalog()[code]
    texts = {each: "".join(part.text for part in entry.templates[each]) for each in LANGUAGES}
    has_words = re.search(r"[a-z]{3}", texts["en"]) and code not in ("kinds.null", "subscriptions.other_reason")
    if has_words:
        assert re.search(r"[぀-ヿ一-鿿]", texts["ja"]), "no Japanese letters"
        assert texts["ja"] != texts["en"]
    assert not re.search(r"[぀-ヿ]{2}", texts["en"]) or code == "fields.domain"
    assert not re.search(r"(?<!\.)\.$", texts["ja"]), "a Japanese sentence ends with 。"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('[x]\nen = "Hello."\n', "x.x needs a sentence in each of en, ja"),
        ('[x]\nen = "Hello."\nja = ""\n', "x.x has an empty sentence"),
        ('[x]\nen = "Hello {name}."\nja = "こんにちは。"\n', "The languages of x.x have different parameters"),
        ('[x]\nen = "Hello."\nja = "こんにちは。"\nfr = "Bonjour."\n', "and nothing else"),
        ('[x]\nen = "Hello {name:loudly}."\nja = "{name:loudly}"\n', "has a placeholder that cannot be filled"),
        ('[x]\nen = "Hello {name."\nja = "{name}"\n', "x.x cannot be read"),
        ('[x]\nen = "{name:term nowhere}"\nja = "{name:term nowhere}"\n', "by the area nowhere"),
    ],
)
def test_a_catalog_that_is_not_complete_cannot_be_loaded(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "x.toml").write_text(text)
    with pytest.raises(CatalogError, match=re.escape(said)):
        loaded(tmp_path)


def test_templates_name_their_parameters_alone() -> None:
    for file in sorted((APP / "words/catalogs").glob("*.toml")):
        for line in file.read_text().splitlines():
            names = [name for _, name, _, _ in Formatter().parse(line) if name is not None]
            assert all(name.isidentifier() for name in names), (file, line)
