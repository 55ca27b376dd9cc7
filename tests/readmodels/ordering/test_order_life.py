"""Every status of an order and every code of a pause has a sentence, a way forward, and a row in the documents."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import pytest

import app
from app.readmodels.ordering.order_life import (
    CHECKED_BY_STAFF,
    CLOSED,
    OPEN,
    PAUSES,
    STATES,
    NextStep,
    OrderStatus,
    PauseCode,
    pause_of,
)

FULFILMENT = Path(app.__file__).parent / "commands" / "fulfilment"
PAGE = (Path(app.__file__).parents[1] / "docs" / "fulfilment.md").read_text()
ENDS = {"Fail", "Pause", "Undone"}
WORDED = [*STATES.values(), *PAUSES.values()]
SAYS = {
    "wait": ("need not do anything", "staff will", "shortly", "now", "reviewing", "activating your service"),
    "add_payment_method": ("Please add",),
    "pay_invoice": ("Please pay",),
    "contact_support": ("contact support",),
    "order_again": ("order again",),
    "none": ("active",),
}
"""Next step → words of which its sentence has some."""


def test_no_status_and_no_code_is_without_words() -> None:
    assert set(STATES) == set(get_args(OrderStatus))
    assert set(PAUSES) == set(get_args(PauseCode))
    assert {*OPEN, *CLOSED} == set(STATES)
    assert {pause.status for pause in PAUSES.values()} == {"awaiting_payment_method", "awaiting_payment", "paused"}


@pytest.mark.parametrize("words", WORDED, ids=lambda words: words.text)
def test_every_sentence_says_what_to_do_next(words: object) -> None:
    text, step = words.text, words.next_step  # type: ignore[attr-defined]
    assert text.endswith(".")
    assert step in get_args(NextStep)
    assert any(each in text for each in SAYS[step]), f"“{text}” does not say: {step}"


def codes_given() -> Iterator[str]:
    """Every literal code that a step of fulfilment ends with, and every code of a mapping."""
    for path in FULFILMENT.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            ends = isinstance(node, ast.Call) and getattr(node.func, "id", "") in ENDS
            if ends and node.args and isinstance(node.args[0], ast.Constant):
                yield str(node.args[0].value)
            if isinstance(node, ast.AnnAssign) and isinstance(node.value, ast.Constant | ast.Dict):
                named = ast.unparse(node.annotation)
                if "PauseCode" in named:
                    yield from re.findall(r"'([A-Z][A-Z_]+)'", ast.unparse(node.value))


def test_every_code_that_fulfilment_gives_has_words() -> None:
    found = set(codes_given())
    assert len(found) > 25, "the walk finds the codes"
    assert found <= set(PAUSES)


@pytest.mark.parametrize("code", ["OUR_OWN", "payment_method_missing", "x" * 60])
def test_a_code_of_the_orgs_own_is_a_pause_that_staff_look_into(code: str) -> None:
    assert pause_of(code) == CHECKED_BY_STAFF
    assert pause_of(f" {code}\n") == CHECKED_BY_STAFF


@pytest.mark.parametrize("code", [None, "", "  "])
def test_no_code_is_no_pause(code: str | None) -> None:
    assert pause_of(code) is None


@pytest.mark.parametrize("status", STATES)
def test_every_status_is_documented(status: OrderStatus) -> None:
    words = STATES[status]
    assert f"| `{status}` | {words.text} | `{words.next_step}` |" in PAGE


@pytest.mark.parametrize("code", PAUSES)
def test_every_code_is_documented_for_staff_and_customers(code: PauseCode) -> None:
    pause = PAUSES[code]
    rows = [line for line in PAGE.splitlines() if line.startswith("|") and f"`{code}`" in line.split("|")[1]]
    assert len(rows) == 1, f"{code} has one row"
    assert f"| `{pause.code}` |" in rows[0], f"the row of {code} does not name {pause.code}"


@pytest.mark.parametrize(
    "pause", {pause.code: pause for pause in PAUSES.values()}.values(), ids=lambda pause: pause.code
)
def test_every_reason_is_documented(pause: object) -> None:
    code, text, step = pause.code, pause.text, pause.next_step  # type: ignore[attr-defined]
    assert f"| `{code}` | {text} | `{step}` |" in PAGE
