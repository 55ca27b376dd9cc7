"""One declined charge is one entry, and another one near it is another entry."""

from datetime import UTC, datetime, timedelta

import pytest
from msgspec import structs

from app.projections.parts.dunning_events import told
from app.projections.parts.timeline_events import TimelineEvent
from app.readmodels.billing.dunning import DunningFacts, ToldStep

AT = datetime(2026, 1, 16, 3, 0, tzinfo=UTC)


def kinds(number: int, *apart: timedelta) -> list[str]:
    """Return the keys of what is told of a step and of attempts so far from it."""
    facts = DunningFacts(
        invoice_id="77", status="trying", max_attempts=3, steps=[ToldStep(step="payment_failed", number=number, at=AT)]
    )
    declined = [
        TimelineEvent(kind="charge_failed", at=AT + each, text="", dedup_key=f"whmcs {position}")
        for position, each in enumerate(apart)
    ]
    return [each.dedup_key for each in told(facts, declined, "77")]


@pytest.mark.parametrize(
    ("number", "apart", "keys"),
    [
        (1, [], ["dunning:0:payment_failed:1"]),
        (1, [timedelta(minutes=-14)], ["dunning:0:payment_failed:1"]),
        (1, [timedelta(minutes=16)], ["dunning:0:payment_failed:1", "whmcs 0"]),
        (1, [timedelta(hours=7)], ["dunning:0:payment_failed:1", "whmcs 0"]),
        (1, [timedelta(minutes=5), timedelta(minutes=-1)], ["dunning:0:payment_failed:1", "whmcs 0"]),
        (0, [timedelta(hours=-8)], ["whmcs 0"]),
        (0, [timedelta(hours=-37)], ["dunning:0:payment_failed:0", "whmcs 0"]),
    ],
)
def test_a_step_is_about_the_nearest_attempt_that_is_near_enough(
    number: int, apart: list[timedelta], keys: list[str]
) -> None:
    assert kinds(number, *apart) == keys


@pytest.mark.parametrize(
    ("number", "key"),
    [(0, "2026-01-16 11:20:00"), (2, "dunning:0:payment_failed:2")],
    ids=["on the due date", "again"],
)
def test_all_attempts_of_a_step_are_one_entry_however_late_it_is_told(number: int, key: str) -> None:
    """Two cards were tried one after another; nobody answered at once. The customer's own attempt came before."""
    times = [AT - timedelta(minutes=each) for each in (60, 40, 39)]
    declined = [
        TimelineEvent(
            kind="charge_failed", at=each, text="", dedup_key=f"{each + timedelta(hours=9):%Y-%m-%d %H:%M:%S}"
        )
        for each in times
    ]
    step = ToldStep(step="payment_failed", number=number, at=AT, tried_after=declined[0].dedup_key)
    facts = DunningFacts(invoice_id="77", status="trying", max_attempts=3, steps=[step])
    assert [each.dedup_key for each in told(facts, declined, "77")] == [key, declined[0].dedup_key]
    for_all = DunningFacts(invoice_id="77", status="trying", steps=[structs.replace(step, tried_after="")])
    assert len(list(told(for_all, declined, "77"))) == 1


def test_without_dunning_every_attempt_is_told() -> None:
    event = TimelineEvent(kind="charge_failed", at=AT, text="", dedup_key="x")
    assert list(told(None, [event], "77")) == [event]
