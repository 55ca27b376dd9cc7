"""What follows for one invoice, as tables: who is charged, who is not, and when grace is over."""

from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from msgspec import structs

from app.commands.dunning.decide import (
    ChargeNow,
    Client,
    CountDay,
    End,
    InvoiceFacts,
    JournalFacts,
    LiveInvoice,
    NotYet,
    PassSlot,
    StandStill,
    StillOwed,
    Suspend,
    charge_decision,
    grace_decision,
    standing,
)
from app.commands.dunning.policy import DunningPolicy
from app.commands.dunning.schedule import Calendar

TOKYO = ZoneInfo("Asia/Tokyo")
POLICY = DunningPolicy((1, 3, 7), 7)
CALENDAR = Calendar(TOKYO, 9, "JP")
DUE = date(2027, 1, 18)
INVOICE = LiveInvoice(
    client_id="7",
    status="unpaid",
    balance=Decimal(1100),
    due_on=DUE,
    issued_on=date(2027, 1, 4),
    chargeable=True,
    subscription_ids=("12",),
)
FACTS = InvoiceFacts(invoice=INVOICE, owner_id="7", methods=("a:1:", "b:2:"))
TRYING = JournalFacts(state="trying", due_on=DUE, methods_seen=frozenset({"a:1:", "b:2:"}))
GRACE = structs.replace(TRYING, state="grace", slot=3)


def at(day: date, hour: int = 11) -> datetime:
    return datetime.combine(day, time(hour), TOKYO)


def days(number: int) -> date:
    return DUE + timedelta(days=number)


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        (structs.replace(FACTS, invoice=None), End("settled", "absent")),
        (structs.replace(FACTS, owner_id="8"), End("abandoned", "owner_changed")),
        (structs.replace(FACTS, client=Client(closed=True)), End("abandoned", "client_closed")),
        (structs.replace(FACTS, paid_before=True), End("abandoned", "open_again")),
        (structs.replace(FACTS, held=True), StandStill("on_hold")),
        (structs.replace(FACTS, in_doubt=True), StandStill("payment_in_doubt")),
        (structs.replace(FACTS, mass_payment_pending=True), StandStill("payment_pending")),
        (FACTS, StillOwed(INVOICE, DUE)),
    ],
)
def test_what_stands_around_the_invoice_comes_first(facts: InvoiceFacts, expected: object) -> None:
    assert standing(facts, days(5)) == expected


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({"status": "paid"}, End("settled", "paid")),
        ({"status": "cancelled"}, End("settled", "cancelled")),
        ({"status": "refunded"}, End("settled", "refunded")),
        ({"status": "draft"}, End("settled", "withdrawn")),
        ({"status": "collections"}, End("abandoned", "collections")),
        ({"status": "payment_pending"}, StandStill("payment_pending")),
        ({"status": "unknown"}, StandStill("unclear")),
        ({"balance": None}, StandStill("unclear")),
        ({"balance": Decimal(0)}, End("settled", "paid")),
        ({"balance": Decimal(-5)}, End("settled", "paid")),
        ({"balance": Decimal(1)}, StillOwed(structs.replace(INVOICE, balance=Decimal(1)), DUE)),
        ({"due_on": None}, StandStill("unclear")),
        ({"due_on": days(6)}, End("settled", "due_date_moved")),
        ({"due_on": days(5)}, StillOwed(structs.replace(INVOICE, due_on=days(5)), days(5))),
        ({"not_billed_for": "prepayment"}, End("abandoned", "prepayment")),
        ({"not_billed_for": "collective"}, End("abandoned", "collective")),
    ],
)
def test_what_whmcs_says_of_the_invoice_decides(changed: dict[str, object], expected: object) -> None:
    facts = structs.replace(FACTS, invoice=structs.replace(INVOICE, **changed))
    assert standing(facts, days(5)) == expected


@pytest.mark.parametrize(
    ("reason", "expected"),
    [
        ("paid", End("abandoned", "open_again")),
        ("cancelled", End("abandoned", "open_again")),
        ("due_date_moved", StillOwed(INVOICE, DUE)),
        ("withdrawn", StillOwed(INVOICE, DUE)),
    ],
)
def test_an_invoice_that_is_open_again_is_for_staff(reason: str, expected: object) -> None:
    """Of a billing system that was restored from a backup, nobody is charged a second time."""
    facts = structs.replace(FACTS, known=structs.replace(TRYING, state="settled", ended_reason=reason))
    assert standing(facts, days(5)) == expected


@pytest.mark.parametrize(
    ("day", "hour", "issued_on", "expected"),
    [
        (0, 8, days(-14), NotYet()),
        (0, 9, days(-14), ChargeNow(0, FACTS.methods)),
        (0, 23, days(-14), ChargeNow(0, FACTS.methods)),
        (0, 11, days(0), NotYet()),  # its customer may be paying it at this moment
        (0, 11, None, NotYet()),
        (1, 8, days(-14), NotYet()),
        (1, 9, days(0), ChargeNow(1, FACTS.methods)),
        (30, 9, days(-14), ChargeNow(1, FACTS.methods)),
    ],
)
def test_an_invoice_that_is_new_to_dunning(day: int, hour: int, issued_on: date | None, expected: object) -> None:
    facts = structs.replace(FACTS, invoice=structs.replace(INVOICE, issued_on=issued_on))
    assert charge_decision(facts, POLICY, CALENDAR, at(days(day), hour)) == expected


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({}, ChargeNow(2, FACTS.methods)),
        ({"invoice": structs.replace(INVOICE, chargeable=False)}, PassSlot(2, None)),
        ({"client": Client(charges_off=True)}, PassSlot(2, None)),
        ({"methods": ()}, PassSlot(2, "payment_method_missing")),
    ],
)
def test_the_day_of_a_repetition(changed: dict[str, object], expected: object) -> None:
    known = structs.replace(TRYING, slot=1, next_step_at=at(days(3), 9))
    facts = structs.replace(FACTS, known=known, **changed)
    assert charge_decision(facts, POLICY, CALENDAR, at(days(3), 9)) == expected
    assert charge_decision(facts, POLICY, CALENDAR, at(days(3), 8)) == NotYet()


def test_what_is_not_owed_is_not_charged_but_ended() -> None:
    gone = structs.replace(FACTS, invoice=None)
    assert charge_decision(gone, POLICY, CALENDAR, at(days(3))) == End("settled", "absent")
    assert charge_decision(structs.replace(FACTS, held=True), POLICY, CALENDAR, at(days(3))) == StandStill("on_hold")


def test_what_was_refused_for_good_is_not_charged_again_and_another_method_is() -> None:
    known = structs.replace(TRYING, slot=1, next_step_at=at(days(3), 9), methods_refused=frozenset({"a:1:"}))
    facts = structs.replace(FACTS, known=known)
    assert charge_decision(facts, POLICY, CALENDAR, at(days(3))) == ChargeNow(2, ("b:2:",))
    both = structs.replace(facts, known=structs.replace(known, methods_refused=frozenset(FACTS.methods)))
    assert charge_decision(both, POLICY, CALENDAR, at(days(3))) == PassSlot(2, "payment_method_refused")


@pytest.mark.parametrize("state", ["trying", "grace", "suspended"])
def test_a_new_method_is_charged_at_once_in_every_state(state: str) -> None:
    known = structs.replace(TRYING, state=state, next_step_at=None)  # type: ignore[arg-type]
    facts = structs.replace(FACTS, known=known, methods=("a:1:", "new:3:"))
    assert charge_decision(facts, POLICY, CALENDAR, at(days(2), 3)) == ChargeNow(None, ("new:3:",))
    unchargeable = structs.replace(facts, invoice=structs.replace(INVOICE, chargeable=False))
    assert charge_decision(unchargeable, POLICY, CALENDAR, at(days(2))) == NotYet()


@pytest.mark.parametrize(
    ("day", "seen", "counted_on", "suspend_on", "expected"),
    [
        (14, 6, days(13), days(14), Suspend()),
        (14, 6, days(14), days(14), NotYet()),  # six days only, and today is counted already
        (14, 7, days(14), days(14), Suspend()),
        (14, 5, days(13), days(14), CountDay()),  # a day on which the process was away
        (13, 6, days(12), days(13), CountDay()),  # before fourteen days are over, whatever the journal says
        (14, 6, days(13), days(15), CountDay()),
        (14, 6, days(13), None, CountDay()),  # no day was announced
        (21, 6, days(20), days(21), Suspend()),
        (22, 6, days(21), days(14), Suspend()),
        (26, 6, days(25), days(14), CountDay()),  # a Saturday
        (24, 6, days(23), days(14), CountDay()),  # a holiday
        (24, 7, days(24), days(14), NotYet()),
        (25, 7, days(24), days(14), Suspend()),
    ],
)
def test_the_grace(day: int, seen: int, counted_on: date, suspend_on: date | None, expected: object) -> None:
    """Day 24 is 11 February, a holiday."""
    known = structs.replace(GRACE, grace_seen=seen, grace_seen_on=counted_on, suspend_on=suspend_on)
    assert grace_decision(structs.replace(FACTS, known=known), POLICY, CALENDAR, at(days(day))) == expected


def test_nobody_is_suspended_who_is_exempt_or_by_a_policy_without_suspension() -> None:
    known = structs.replace(GRACE, grace_seen=7, grace_seen_on=days(14), suspend_on=days(14))
    facts = structs.replace(FACTS, known=known)
    assert grace_decision(facts, POLICY, CALENDAR, at(days(14))) == Suspend()
    exempt = structs.replace(facts, client=Client(exempt=True))
    assert grace_decision(exempt, POLICY, CALENDAR, at(days(14))) == NotYet()
    assert grace_decision(facts, DunningPolicy((1,), None), CALENDAR, at(days(14))) == NotYet()
    assert grace_decision(structs.replace(facts, held=True), POLICY, CALENDAR, at(days(14))) == StandStill("on_hold")
    trying = structs.replace(facts, known=structs.replace(known, state="trying"))
    assert grace_decision(trying, POLICY, CALENDAR, at(days(14))) == NotYet()


def test_the_day_is_that_of_whmcss_clock() -> None:
    """At 16:00 UTC it is the next day in Tokyo."""
    assert charge_decision(FACTS, POLICY, CALENDAR, datetime(2027, 1, 17, 23, 59, tzinfo=UTC)) == NotYet()
    assert charge_decision(FACTS, POLICY, CALENDAR, datetime(2027, 1, 18, 0, 0, tzinfo=UTC)) == ChargeNow(
        0, FACTS.methods
    )
