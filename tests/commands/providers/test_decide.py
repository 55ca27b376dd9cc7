"""What is done for each pair of billing's wish and provider's state, against an independent table."""

from datetime import UTC, datetime, timedelta
from itertools import product
from typing import Any

import pytest

from app.commands.providers.decide import (
    Confirmed,
    Found,
    Known,
    Nothing,
    Poll,
    Staff,
    Until,
    Wanted,
    Write,
    for_hosting,
    for_line,
)

NOW = datetime(2026, 12, 1, tzinfo=UTC)
LATER, PAST = NOW + timedelta(days=3), NOW - timedelta(seconds=1)

HOSTING = """
wish      | active    | own             | others              | absent          | stranger
none      | nothing   | nothing         | nothing             | nothing         | nothing
active    | active    | unsuspend       | SUSPENDED_BY_OTHERS | ACCOUNT_MISSING | ACCOUNT_OF_ANOTHER_DOMAIN
suspended | suspend   | suspended       | suspended           | ACCOUNT_MISSING | ACCOUNT_OF_ANOTHER_DOMAIN
grace     | suspend   | until           | SUSPENDED_BY_OTHERS | removed         | ACCOUNT_OF_ANOTHER_DOMAIN
over      | suspend   | remove          | SUSPENDED_BY_OTHERS | removed         | ACCOUNT_OF_ANOTHER_DOMAIN
by_hand   | suspend   | REMOVAL_BY_HAND | SUSPENDED_BY_OTHERS | removed         | ACCOUNT_OF_ANOTHER_DOMAIN
"""
LINES = """
wish       | active                   | pending | absent       | unknown
none       | nothing                  | nothing | nothing      | nothing
active     | active                   | poll    | LINE_MISSING | LINE_UNREADABLE
suspended  | LINE_CANNOT_BE_SUSPENDED | poll    | LINE_MISSING | LINE_UNREADABLE
grace      | until                    | poll    | removed      | LINE_UNREADABLE
over       | cancel                   | poll    | removed      | LINE_UNREADABLE
by_hand    | REMOVAL_BY_HAND          | poll    | removed      | LINE_UNREADABLE
"""
WISHES: dict[str, Wanted] = {
    "none": Wanted(state=None, product_id="1", package="basic"),
    "active": Wanted(state="active", product_id="1", package="basic"),
    "suspended": Wanted(state="suspended", product_id="1", package="basic"),
    "grace": Wanted(state="removed", product_id="1", package="basic", remove_at=LATER),
    "over": Wanted(state="removed", product_id="1", package="basic", remove_at=PAST),
    "by_hand": Wanted(state="removed", product_id="1", package="basic"),
}
FOUND: dict[str, Found] = {
    "active": Found(presence="active", package="basic"),
    "own": Found(presence="suspended", own_suspension=True, package="basic"),
    "others": Found(presence="suspended", package="basic"),
    "absent": Found(presence="absent"),
    "stranger": Found(presence="stranger"),
    "unknown": Found(presence="unknown"),
    "pending": Found(presence="pending"),
}


def word(verdict: Any) -> str:
    match verdict:
        case Write(step):
            return step
        case Confirmed(actual):
            return actual
        case Staff(code):
            return code
        case Until(at):
            assert at == LATER
            return "until"
        case Poll():
            return "poll"
        case Nothing():
            return "nothing"
    raise AssertionError(verdict)


def cells(table: str) -> list[tuple[str, str, str]]:
    head, *lines = [[cell.strip() for cell in line.split("|")] for line in table.strip().splitlines()]
    return [(line[0], state, cell) for line in lines for state, cell in zip(head[1:], line[1:], strict=True)]


@pytest.mark.parametrize(("wish", "state", "expected"), cells(HOSTING))
def test_a_hosting_account_in_every_state_under_every_wish(wish: str, state: str, expected: str) -> None:
    assert word(for_hosting(WISHES[wish], FOUND[state], Known(product_id="1"), NOW)) == expected


@pytest.mark.parametrize(("wish", "state", "expected"), cells(LINES))
def test_a_line_in_every_state_under_every_wish(wish: str, state: str, expected: str) -> None:
    assert word(for_line(WISHES[wish], FOUND[state], Known(product_id="1"), NOW)) == expected


def test_an_account_whose_state_is_unreadable_is_for_staff_and_never_taken_for_active() -> None:
    for wish in ("active", "suspended", "grace", "over"):
        assert word(for_hosting(WISHES[wish], FOUND["unknown"], Known(), NOW)) == "ACCOUNT_UNREADABLE"


def test_nothing_but_an_ended_service_with_its_own_suspension_and_no_grace_left_is_ever_removed() -> None:
    removed = [
        (wish, state, off)
        for wish, state, off in product(WISHES, FOUND, (False, True))
        if word(for_hosting(WISHES[wish], FOUND[state], Known(product_id="1", switched_off=off), NOW)) == "remove"
    ]
    assert {(wish, state) for wish, state, _ in removed} == {("over", "own")}


def test_an_account_that_somebody_switched_on_again_after_its_end_is_not_removed() -> None:
    for wish in ("grace", "over"):
        verdict = for_hosting(WISHES[wish], FOUND["active"], Known(switched_off=True), NOW)
        assert word(verdict) == "SWITCHED_ON_AGAIN"


@pytest.mark.parametrize(
    ("done", "has", "expected"),
    [("1", "basic", "active"), ("1", "renamed", "active"), ("2", "basic", "active"), ("2", "pro", "change_package")],
)
def test_a_package_follows_a_change_of_product_and_not_a_name(done: str, has: str, expected: str) -> None:
    found = Found(presence="active", package=has)
    assert word(for_hosting(WISHES["active"], found, Known(product_id=done), NOW)) == expected


@pytest.mark.parametrize(
    ("known", "package", "expected"),
    [
        (Known(product_id="1"), "old", "active"),
        (Known(product_id="2"), "basic", "active"),
        (Known(product_id="2"), "old", "change_plan"),
        (Known(product_id="2", sent="change_plan"), "old", "poll"),
        (Known(product_id="1", sent="cancel"), "basic", "LINE_IS_BEING_ENDED"),
    ],
)
def test_a_line_gets_the_plan_of_another_product_once(known: Known, package: str, expected: str) -> None:
    assert word(for_line(WISHES["active"], Found(presence="active", package=package), known, NOW)) == expected


def test_a_plan_without_a_code_is_for_staff_and_an_accepted_end_is_waited_for() -> None:
    unnamed = Wanted(state="active", product_id="2")
    assert word(for_line(unnamed, FOUND["active"], Known(product_id="1"), NOW)) == "PLAN_UNKNOWN"
    assert word(for_line(WISHES["over"], FOUND["active"], Known(sent="cancel"), NOW)) == "poll"
