"""When an upstream is expected back, for every history of outages."""

from statistics import median

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.clock.recovery import FIRST_GUESS_SECONDS, LONGEST_SECONDS, SHORTEST_SECONDS, remaining_seconds, told_seconds

DURATIONS = st.lists(st.floats(0, 100_000), max_size=50)
ELAPSED = st.floats(0, 100_000)
DRAW = st.floats(0, 1, exclude_max=True)


@pytest.mark.parametrize(
    ("durations", "elapsed", "remaining"),
    [
        ((), 0.0, FIRST_GUESS_SECONDS),
        ((), 10.0, 20.0),
        ((), 30.0, 30.0),
        ((60.0, 120.0, 600.0), 0.0, 120.0),
        ((60.0, 120.0, 600.0), 60.0, 300.0),
        ((60.0, 120.0, 600.0), 119.0, 241.0),
        ((60.0, 120.0, 600.0), 120.0, 480.0),
        ((60.0, 120.0, 600.0), 600.0, 600.0),
        ((60.0, 120.0, 600.0), 700.0, 700.0),
    ],
)
def test_what_remains_is_the_median_of_what_remained_of_outages_that_lasted_longer(
    durations: tuple[float, ...], elapsed: float, remaining: float
) -> None:
    assert remaining_seconds(durations, elapsed) == remaining


@pytest.mark.parametrize(
    ("elapsed", "draw", "told"),
    [(0.0, 0.5, 100), (0.0, 0.0, 80), (0.0, 0.75, 110), (99.0, 0.5, 2), (950.0, 0.5, 900), (950.0, 0.0, 720)],
)
def test_the_estimate_is_bounded_and_spread_by_a_fifth(elapsed: float, draw: float, told: int) -> None:
    assert told_seconds((100.0,), elapsed, draw, least_seconds=0.0) == told


def test_nobody_is_called_back_before_the_next_probe() -> None:
    assert told_seconds((10.0,), 0.0, 0.5, least_seconds=25.0) == 25
    assert told_seconds((10.0,), 0.0, 0.5, least_seconds=3.0) == 10
    assert told_seconds((10.0,), 0.0, 0.5, least_seconds=1_000.0) == 1_000, "what the upstream itself asked for"


@given(DURATIONS, ELAPSED, DRAW)
def test_an_answer_is_within_its_bounds(durations: list[float], elapsed: float, draw: float) -> None:
    assert SHORTEST_SECONDS <= told_seconds(durations, elapsed, draw, least_seconds=0) <= LONGEST_SECONDS


@given(DURATIONS, ELAPSED)
def test_what_remains_is_never_negative_and_ends_within_a_known_outage(durations: list[float], elapsed: float) -> None:
    remaining = remaining_seconds(durations, elapsed)
    assert remaining >= 0
    if any(each > elapsed for each in durations):
        assert elapsed + remaining <= max(durations) * (1 + 1e-9)
    elif durations:
        assert remaining == elapsed


@given(DURATIONS, st.integers(0, 49))
def test_the_order_of_the_outages_does_not_matter(durations: list[float], elapsed: int) -> None:
    assert remaining_seconds(sorted(durations), elapsed) == remaining_seconds(durations[::-1], elapsed)


@given(DURATIONS.filter(bool), ELAPSED, DRAW)
def test_a_later_draw_is_never_an_earlier_answer(durations: list[float], elapsed: float, draw: float) -> None:
    early, late = (told_seconds(durations, elapsed, each, least_seconds=0) for each in (0.0, draw))
    assert early <= late


@given(st.lists(st.floats(1, 1_000), min_size=1, max_size=20))
def test_a_new_outage_is_expected_to_last_as_usual(durations: list[float]) -> None:
    assert remaining_seconds(durations, 0.0) == median(durations)
