"""Reasons of staleness: one per answer, the same in whatever order its parts are combined."""

from itertools import permutations

import pytest

from app.readmodels.freshness import Evidence, stale_reason

FRESH = Evidence()
NEVER = Evidence(verified=False)
PARKED = Evidence(parked=True)
STALLED = Evidence(by_events=True, past_bound=True)
SILENT = Evidence(by_events=True, silent=True)
AWAY = Evidence(past_bound=True, away=True)
PAST = Evidence(past_bound=True)


@pytest.mark.parametrize(
    ("evidence", "reason"),
    [
        (FRESH, None),
        (Evidence(by_events=True), None),
        (Evidence(away=True), None),
        (Evidence(silent=True), None),
        (NEVER, "never_verified"),
        (Evidence(by_events=True, verified=False, silent=True), "never_verified"),
        (PARKED, "parked"),
        (Evidence(parked=True, past_bound=True, away=True), "parked"),
        (STALLED, "feed_stalled"),
        (SILENT, "feed_stalled"),
        (Evidence(by_events=True, past_bound=True, away=True), "feed_stalled"),
        (AWAY, "upstream_away"),
        (PAST, "past_bound"),
    ],
)
def test_every_kind_of_evidence_has_its_reason(evidence: Evidence, reason: str | None) -> None:
    assert stale_reason([evidence]) == reason
    assert stale_reason([FRESH, evidence, FRESH]) == reason


def test_of_several_reasons_the_one_that_resolves_last_is_reported() -> None:
    order = [NEVER, PARKED, STALLED, AWAY, PAST, FRESH]
    reasons = ["never_verified", "parked", "feed_stalled", "upstream_away", "past_bound", None]
    for first, reason in enumerate(reasons):
        for parts in permutations(order[first:]):
            assert stale_reason(parts) == reason


def test_an_answer_of_nothing_is_fresh() -> None:
    assert stale_reason([]) is None
