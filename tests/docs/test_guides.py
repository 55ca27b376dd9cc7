"""The portal guides say what the code says: each sentence and code is in `app`, each claim names a test that exists."""

import ast
import re
from functools import cache
from pathlib import Path
from typing import get_args

import click
import pytest

from app.cli import main
from app.commands.fulfilment.lines import sim
from app.commands.identity.enrolment import check_customer_number
from app.commands.subscriptions import usage
from app.commands.support import attach_to_case
from app.integrations.salesforce import cases
from app.integrations.whmcs import links
from app.readmodels.freshness import StaleReason
from tests.docs import guide_tables, resources_of, spoken
from tests.docs.markdown import FENCE, ROOT
from tests.docs.test_docs import CODE as CODE_IN_SOURCE

GUIDES = sorted(guide_tables.GUIDES.glob("*.md"))
AREAS = ("accounts", "catalog", "orders", "billing", "subscriptions", "support")
PARTS = (
    "What the customer sees",
    "Which system owns what",
    "How fresh it is",
    "What is said when something is wrong",
    "What you can do",
)
"""The sections that every guide of an area has, in this order, among others."""
SECTION = re.compile(r"^## ([^\n]+)\n(.*?)(?=^## |\Z)", re.M | re.S)
PART = re.compile(r"^##+ ([^\n]+)\n(.*?)(?=^##+ |\Z)", re.M | re.S)
POINTER = re.compile(r"<!-- test: (tests/[\w/]+\.py)::(test_\w+) -->")
QUOTE = re.compile(r"“([^”]+)”")
SPAN = re.compile(r"`([^`\n]+)`")
ITALIC = re.compile(r"(?<![*\w])\*([^*\s][^*]*?)\*(?![*\w])")
STANDARD = {
    *("Active", "Product SKU", "Status"),
    *("Case Origin", "Account Name", "Contact Name", "Subject", "Description", "Priority", "Public"),
}
"""What Salesforce itself calls its fields."""
EMPHASIS = {
    *("Link account", "To say:", "Compared again", "Overdue", "Invoice not found", "now", "high", "invoice"),
    *("use origin headers", "Eligible for cache", "Use cache-control header if present"),
}
"""Italics that name no field of Salesforce."""
JARGON = re.compile(
    r"\b(projector|projection|read model|CQRS|idempoten\w+|mirror(?:ed)?|inbox|dead letter|drain|shard|saga|payload|"
    r"endpoint|refetch|upstream|webhook|backfill|fulfil\w+ journal|ETag|TTL|regex|struct)s?\b",
    re.I,
)
FOR_EVERYBODY = (*AREAS, "colleagues", "migration", "README")
SOURCES = {
    "accounts": ("app/commands/account", "app/commands/identity/enrolment"),
    "catalog": ("app/queries/catalog.py", "app/commands/account/request_eligibility.py"),
    "orders": ("app/commands/orders", "app/ordering"),
    "billing": ("app/commands/billing", "app/queries/invoices.py"),
    "subscriptions": ("app/commands/subscriptions",),
    "support": ("app/commands/support", "app/queries/cases.py"),
}
"""Guide → the source whose codes it explains, all of them."""
OF_OTHERS = {
    "accounts": {
        "notification_not_found",
        "already_eligible",
        "address_required",
        "request_in_progress",
        "check_in_progress",
        "refresh_in_progress",
    },
    "subscriptions": {
        "service_kind_wrong",
        "suspension_locked",
        "not_an_esim",
        "plan_unknown",
        "plan_change_not_failed",
    },
    "support": {"token_invalid"},
}
"""Codes in those sources that no customer of that area reads, or that need no explanation there."""


APART = frozenset({"field_too_long"})
"""Codes whose sentence comes from a limit, far from the code."""


def text_of(name: str) -> str:
    return (guide_tables.GUIDES / f"{name}.md").read_text()


def prose(page: Path) -> str:
    """A page without comments and blocks of configuration."""
    return re.sub(r"<!--.*?-->", "", FENCE.sub("", page.read_text()), flags=re.S)


@cache
def names_of(file: Path) -> frozenset[str]:
    functions = (ast.FunctionDef, ast.AsyncFunctionDef)
    return frozenset(node.name for node in ast.walk(ast.parse(file.read_text())) if isinstance(node, functions))


@pytest.mark.parametrize("page", GUIDES, ids=lambda page: page.stem)
def test_the_tables_are_what_the_code_says(page: Path) -> None:
    assert guide_tables.written(page.read_text()) == page.read_text(), "run `make guides`"


def test_every_table_that_is_generated_is_shown() -> None:
    shown = {found[2] for page in GUIDES for found in guide_tables.BLOCK.finditer(page.read_text())}
    assert shown == set(guide_tables.TABLES)


@pytest.mark.parametrize("page", GUIDES, ids=lambda page: page.stem)
def test_every_section_names_tests_that_exist(page: Path) -> None:
    silent = [title for title, body in PART.findall(page.read_text()) if body.strip() and not POINTER.search(body)]
    assert silent == []
    for file, name in POINTER.findall(page.read_text()):
        assert (ROOT / file).is_file(), file
        assert name in names_of(ROOT / file), f"{file}::{name}"
    assert len(POINTER.findall(page.read_text())) == page.read_text().count("<!-- test:"), "misspelt"


@pytest.mark.parametrize("page", GUIDES, ids=lambda page: page.stem)
def test_every_sentence_in_quotes_is_one_of_the_portals(page: Path) -> None:
    quoted = QUOTE.findall(prose(page))
    assert [each for each in quoted if spoken.plain(each) not in spoken.texts()] == []
    assert prose(page).count("“") == prose(page).count("”") == len(quoted)


@pytest.mark.parametrize("page", GUIDES, ids=lambda page: page.stem)
def test_every_code_is_one_of_the_portals(page: Path) -> None:
    codes = [each for each in SPAN.findall(prose(page)) if spoken.CODE.fullmatch(each)]
    named = set(re.findall(r"^#? ?([A-Z_]+)=", (ROOT / ".env.example").read_text(), re.M))
    named |= set(re.findall(r"`([A-Z_]+)`", guide_tables.FULFILMENT.read_text()))  # test_docs.py compares those
    assert [each for each in codes if each not in spoken.texts() | named] == []


@pytest.mark.parametrize("page", GUIDES, ids=lambda page: page.stem)
def test_a_code_and_a_sentence_in_one_row_belong_together(page: Path) -> None:
    apart = []
    written = guide_tables.BLOCK.sub("", page.read_text())
    for row in re.findall(r"^\|.+\|$", written, re.M):
        codes = [each for each in SPAN.findall(row) if spoken.CODE.fullmatch(each)]
        if codes and codes[0] not in APART:
            apart += [(codes[0], each) for each in QUOTE.findall(row) if not spoken.belong_together(codes[0], each)]
    assert apart == []


@pytest.mark.parametrize("page", GUIDES, ids=lambda page: page.stem)
def test_what_staff_see_in_salesforce_is_called_as_it_is_there(page: Path) -> None:
    files = (ROOT / "deploy" / "salesforce").rglob("*-meta.xml")
    labels = {found for file in files for found in re.findall(r"^    <label>(.+)</label>", file.read_text(), re.M)}
    assert len(labels) > 20
    assert set(ITALIC.findall(SPAN.sub("", prose(page)))) - labels - STANDARD - EMPHASIS == set()


@pytest.mark.parametrize("area", AREAS)
def test_a_guide_has_its_parts(area: str) -> None:
    titles = [title for title, _ in SECTION.findall(text_of(area))]
    assert [title for title in titles if title in PARTS] == list(PARTS)


@pytest.mark.parametrize("area", AREAS)
def test_a_guide_explains_every_code_of_its_area(area: str) -> None:
    files = [
        each for name in SOURCES[area] for each in ((ROOT / name).rglob("*.py") if "." not in name else [ROOT / name])
    ]
    said = {next(filter(None, found)) for file in files for found in CODE_IN_SOURCE.findall(file.read_text())}
    explained = set(SPAN.findall(text_of(area)))
    assert said - explained - OF_OTHERS.get(area, set()) == set()
    assert OF_OTHERS.get(area, set()) - said == set()


@pytest.mark.parametrize(("area", "states"), [("orders", "order-states"), ("subscriptions", "subscription-states")])
def test_every_state_has_something_that_a_colleague_can_do(area: str, states: str) -> None:
    advice = dict(SECTION.findall(text_of(area)))["What you can do"]
    named = set(re.findall(r"^\| `([a-z_]+)`", guide_tables.TABLES[states](), re.M))
    assert named - set(SPAN.findall(advice)) == set()


@pytest.mark.parametrize("name", FOR_EVERYBODY)
def test_a_trainee_meets_no_jargon(name: str) -> None:
    read = SPAN.sub("", re.sub(r"\]\([^)]*\)", "]", prose(guide_tables.GUIDES / f"{name}.md")))
    assert sorted({found[0] for found in JARGON.finditer(read)}) == []


def test_no_field_of_a_product_counts_pieces() -> None:
    from app.integrations.salesforce.wire import FIELDS

    mirrored = [*FIELDS["Product2"], *FIELDS["PricebookEntry"]]
    assert len(mirrored) > 10
    assert [name for name in mirrored if re.search("stock(?!keeping)|quantity|inventory|available", name, re.I)] == []


def test_every_reason_for_being_late_is_explained() -> None:
    explained = {each for row in re.findall(r"^\| (.+?) \|", text_of("freshness"), re.M) for each in SPAN.findall(row)}
    assert set(get_args(StaleReason)) - explained == set()


@pytest.mark.parametrize("page", ["README.md", "docs/README.md"])
def test_every_guide_can_be_reached_from_the_first_page(page: str) -> None:
    start = (ROOT / page).read_text()
    section = start.split("## Portal guides")[1].split("\n## ")[0]
    folder = "docs/guides/" if page == "README.md" else "guides/"
    assert {f"{folder}{each.name}" for each in GUIDES} == set(re.findall(r"\]\(([^)#]+)\)", section)) & {
        f"{folder}{each.name}" for each in GUIDES
    }


def test_the_swimlane_has_a_lane_for_each_system_and_can_be_read_without_seeing_it() -> None:
    from xml.etree import ElementTree

    drawing = ElementTree.parse(ROOT / "docs" / "images" / "swimlane.svg").getroot()  # noqa: S314
    written = [" ".join("".join(each.itertext()).split()) for each in drawing.iter("{http://www.w3.org/2000/svg}text")]
    assert [each for each in written if each in ("Customer", "Portal", "Salesforce", "WHMCS")] == [
        "Customer",
        "Portal",
        "Salesforce",
        "WHMCS",
    ]
    [title, description] = [drawing.find(f"{{http://www.w3.org/2000/svg}}{name}") for name in ("title", "desc")]
    assert title is not None
    assert description is not None
    assert "](../images/swimlane.svg)" in text_of("colleagues")


def numbers() -> list[tuple[str, str, float]]:
    """Guide, the words before a number, and the number."""
    settings = guide_tables.defaults()
    mebibyte = 1024 * 1024
    return [
        ("accounts", "remembered for {} seconds", check_customer_number.KEPT_SECONDS),
        ("orders", "after {} hours it becomes", sim.DEADLINE_SECONDS / 3_600),
        ("orders", "stop arriving for {} minutes", settings.feed_bound_seconds / 60),
        ("billing", "work once and for {} minute:", links.LIFETIME_SECONDS / 60),
        ("subscriptions", "at most once a minute", usage.FRESH_SECONDS / 60),
        ("support", "up to {} MiB each", attach_to_case.LARGEST_BYTES / mebibyte),
        ("support", "{} for one request", attach_to_case.MOST_ATTACHMENTS),
        ("support", "is looked up every minute", settings.case_sweep_seconds / 60),
        ("support", "twice within an hour", cases.SAME_WITHIN.total_seconds() / 3_600),
        ("README", "Every few minutes everything", settings.reconcile_seconds / 300),
        ("colleagues", "works once and for a minute", links.LIFETIME_SECONDS / 60),
    ]


@pytest.mark.parametrize(("name", "words", "number"), numbers())
def test_a_number_in_a_guide_is_the_programs(name: str, words: str, number: float) -> None:
    written = {1: "one", 2: "two", 5: "5", 6: "six", 20: "twenty", 30: "30"}
    assert "{}" in words or number == 1
    assert words.format(written[int(number)]) in " ".join(text_of(name).split())


@pytest.mark.parametrize("page", GUIDES, ids=lambda page: page.stem)
def test_every_command_that_a_guide_names_exists(page: Path) -> None:
    for line in (each for each in SPAN.findall(page.read_text()) if each.startswith("portal ")):
        command: click.Command = main
        for word in line.split()[1:]:
            if isinstance(command, click.Group) and word in command.commands:
                command = command.commands[word]
            elif word.startswith("--"):
                assert word in {name for each in command.params for name in each.opts}, line
        assert command is not main, line


def test_what_a_read_answers_from_is_found_in_its_code() -> None:
    from app.queries import catalog, invoices, orders, subscriptions, summary

    assert resources_of.resources_of(invoices.list_invoices) == {"client_invoices"}
    assert resources_of.resources_of(orders.order) == {"account_history"}
    assert resources_of.resources_of(subscriptions.subscription) == {"service"}
    assert resources_of.resources_of(catalog.category) >= {"catalog"}
    assert resources_of.resources_of(summary.summary) >= {"client_invoices", "client_services", "account_history"}


@pytest.mark.parametrize(
    ("template", "as_quoted"),
    [
        ("Invoice {number} is overdue. Please pay it.", "Invoice … is overdue. Please pay it."),
        ("{} was changed to {}, as you planned.", "was changed to …, as you planned."),
        ("Please choose\n    a plan.", "Please choose a plan."),
    ],
)
def test_what_is_filled_in_is_an_ellipsis(template: str, as_quoted: str) -> None:
    assert spoken.plain(template) == as_quoted


def test_a_sentence_that_the_portal_does_not_say_is_found() -> None:
    assert "Please add a payment method first, then order again." in spoken.texts()
    assert "Please add a card first, then order again." not in spoken.texts()
    assert spoken.belong_together("payment_method_missing", "Please add a payment method first, then order again.")
    assert not spoken.belong_together("vpn_region_required", "Please add a payment method first, then order again.")
