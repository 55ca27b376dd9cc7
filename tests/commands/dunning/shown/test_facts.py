"""What customers are told of dunning promises only what the portal itself will do, on days that are still to come."""

from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from msgspec import structs

from app.commands.dunning.shown.facts import (
    HoldInForce,
    JournalRow,
    Surroundings,
    facts_of,
    of_service,
    recheck_at,
    told_step,
)

TOKYO = ZoneInfo("Asia/Tokyo")
NOW = datetime(2026, 3, 10, 3, 0, tzinfo=UTC)
TODAY = date(2026, 3, 10)
AROUND = Surroundings(
    charges=True, suspends=True, now=NOW, billing_zone=TOKYO, customer_zone=TOKYO, invoice_number="2026-77"
)
ROW = JournalRow(
    whmcs_invoice_id=77,
    account_id="a",
    whmcs_client_id=1001,
    state="trying",
    slot=1,
    max_attempts=3,
    next_attempt_at=NOW + timedelta(days=2),
    suspend_on=TODAY + timedelta(days=9),
    suspended_at=None,
    last_decline_kind="soft",
    last_decline_code="insufficient_funds",
    subscription_ids=["55"],
    updated_at=NOW,
    ended_at=None,
)
GRACE = structs.replace(ROW, state="grace", slot=3, next_attempt_at=None)
SUSPENDED = structs.replace(GRACE, state="suspended", suspended_at=NOW - timedelta(days=1))


def facts(row: JournalRow = ROW, hold: HoldInForce | None = None, **around: Any) -> Any:
    return facts_of(row, hold, [], structs.replace(AROUND, **around))


def test_attempt_next_date_and_day_of_suspension_are_told() -> None:
    found = facts()
    assert (found.status, found.attempts, found.max_attempts) == ("trying", 1, 3)
    assert (found.next_attempt_on, found.suspend_on) == (date(2026, 3, 12), date(2026, 3, 19))
    assert (found.invoice_number, found.decline_code) == ("2026-77", "insufficient_funds")


@pytest.mark.parametrize(
    ("charges", "suspends", "status", "attempts", "tries_on", "suspends_on"),
    [
        (True, True, "trying", 1, date(2026, 3, 12), date(2026, 3, 19)),
        (True, False, "trying", 1, date(2026, 3, 12), None),
        (False, True, "trying", None, None, date(2026, 3, 19)),
        (False, False, "ended", None, None, None),
    ],
)
def test_nothing_is_said_of_what_whmcs_automates(
    charges: bool, suspends: bool, status: str, attempts: Any, tries_on: Any, suspends_on: Any
) -> None:
    found = facts(charges=charges, suspends=suspends)
    assert (found.status, found.attempts, found.max_attempts) == (status, attempts, 3 if attempts else None)
    assert (found.next_attempt_on, found.suspend_on) == (tries_on, suspends_on)
    assert found.next_attempt_at is None or charges


@pytest.mark.parametrize(("suspends", "status"), [(True, "suspended"), (False, "ended")])
def test_a_suspension_is_the_portals_to_explain_only_where_it_suspends(suspends: bool, status: str) -> None:
    assert facts(SUSPENDED, suspends=suspends).status == status


@pytest.mark.parametrize(("late_minutes", "shown"), [(-5, True), (0, True), (59, True), (60, False), (3_000, False)])
def test_an_attempt_that_was_not_made_is_not_promised_any_longer(late_minutes: int, shown: bool) -> None:
    found = facts(structs.replace(ROW, next_attempt_at=NOW - timedelta(minutes=late_minutes)))
    assert (found.next_attempt_at is not None) is shown
    assert (found.next_attempt_on is not None) is shown


@pytest.mark.parametrize(
    ("suspend_on", "told", "due"),
    [(TODAY + timedelta(days=1), True, False), (TODAY, True, False), (TODAY - timedelta(days=1), False, True)],
)
def test_a_day_of_suspension_that_passed_can_be_any_day(suspend_on: date, told: bool, due: bool) -> None:
    found = facts(structs.replace(GRACE, suspend_on=suspend_on))
    assert (found.suspend_on is not None, found.suspension_due) == (told, due)


def test_the_day_is_that_of_the_billing_system_and_the_customers_that_of_the_customer() -> None:
    evening = datetime(2026, 3, 9, 16, 0, tzinfo=UTC)  # the 10th in Tokyo, the 9th in Lisbon
    row = structs.replace(GRACE, state="trying", next_attempt_at=evening, suspend_on=date(2026, 3, 9))
    found = facts(row, now=evening, customer_zone=ZoneInfo("Europe/Lisbon"))
    assert (found.suspend_on, found.suspension_due) == (None, True)
    assert found.next_attempt_on == date(2026, 3, 9)


@pytest.mark.parametrize("row", [ROW, GRACE])
@pytest.mark.parametrize("until", [None, TODAY + timedelta(days=5)])
def test_a_hold_takes_every_promise_back(row: JournalRow, until: date | None) -> None:
    found = facts(row, HoldInForce(until))
    assert (found.status, found.paused_until) == ("paused", until)
    assert (found.next_attempt_at, found.next_attempt_on, found.suspend_on, found.suspension_due) == (None,) * 3 + (
        False,
    )


def test_a_hold_brings_back_what_was_suspended() -> None:
    found = facts(SUSPENDED, HoldInForce(None))
    assert (found.status, found.suspended_at) == ("paused", None)


@pytest.mark.parametrize("state", ["settled", "abandoned", "trying", "suspended"])
def test_what_has_ended_is_over_in_every_state(state: str) -> None:
    found = facts(structs.replace(SUSPENDED, state=state, ended_at=NOW), HoldInForce(None))
    assert (found.status, found.suspend_on, found.suspended_at, found.paused_until) == ("ended", None, None, None)


@pytest.mark.parametrize("state", ["settled", "abandoned", "new in 2030"])
def test_an_unknown_state_promises_nothing(state: str) -> None:
    assert facts(structs.replace(ROW, state=state)).status == "ended"


@pytest.mark.parametrize(
    ("kind", "code", "told"),
    [("soft", "insufficient_funds", "insufficient_funds"), ("hard", None, "payment_declined"), (None, None, None)],
)
def test_a_decline_without_a_code_is_told_as_unexplained(kind: Any, code: Any, told: Any) -> None:
    assert facts(structs.replace(ROW, last_decline_kind=kind, last_decline_code=code)).decline_code == told


@pytest.mark.parametrize(
    ("row", "hold", "at"),
    [
        (ROW, None, NOW + timedelta(days=2, hours=1)),
        (structs.replace(GRACE, suspend_on=TODAY), None, datetime(2026, 3, 11, tzinfo=TOKYO)),
        (GRACE, HoldInForce(TODAY), datetime(2026, 3, 11, tzinfo=TOKYO)),
        (GRACE, HoldInForce(None), None),
        (GRACE, HoldInForce(date.max), None),
        (structs.replace(GRACE, suspend_on=None), None, None),
        (structs.replace(ROW, ended_at=NOW), None, None),
    ],
)
def test_it_is_looked_at_again_when_a_promise_would_have_passed(row: JournalRow, hold: Any, at: Any) -> None:
    found = facts(row, hold)
    assert recheck_at(found, AROUND) == at
    if at is not None:  # and then nothing is due at once again
        later = structs.replace(AROUND, now=at)
        again = facts_of(row, hold if row is not GRACE else None, [], later)
        next_look = recheck_at(again, later)
        assert next_look is None or next_look > at


def test_a_service_that_is_not_billed_any_more_is_not_threatened() -> None:
    assert of_service(facts(), False, None).status == "ended"
    suspension = {"suspended_at": NOW, "ended_at": None}
    assert of_service(facts(SUSPENDED), True, suspension, NOW).service_resumed_at == NOW
    found = of_service(facts(SUSPENDED), True, suspension)
    assert (found.status, found.service_suspended_at, found.service_resumed_at, found.steps) == (
        *("suspended", NOW, None),
        [],
    )


@pytest.mark.parametrize("detail", [{}, {"next_attempt_on": "soon", "suspend_on": 7, "decline_code": None}])
def test_a_step_with_an_unreadable_detail_is_told_without_it(detail: dict[str, Any]) -> None:
    found = told_step({"round": 0, "step": "payment_failed", "number": 2, "at": NOW, "detail": detail}, AROUND)
    assert (found.number, found.next_attempt_on, found.suspend_on, found.decline_code) == (2, None, None, None)


def test_a_step_says_what_followed_then() -> None:
    detail = {
        "decline_kind": "soft",
        "decline_code": "insufficient_funds",
        "next_attempt_on": "2026-03-13",
        "suspend_on": "2026-03-19",
    }
    step = {"round": 1, "step": "payment_failed", "number": 1, "at": NOW, "detail": detail}
    found = told_step(step, AROUND)
    assert (found.next_attempt_on, found.suspend_on) == (date(2026, 3, 13), date(2026, 3, 19))
    by_whmcs = told_step(step, structs.replace(AROUND, charges=False, suspends=False))
    assert (by_whmcs.next_attempt_on, by_whmcs.suspend_on) == (None, None)
