"""Jobs by the clock: daylight saving time, ends of months, missed runs."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.schedule.timing import LONGEST_BACK_OFF_SECONDS, Cron, Every

BERLIN = ZoneInfo("Europe/Berlin")


def runs(cron: Cron, start: datetime, count: int) -> list[str]:
    """The next runs, on the zone's wall clock with its offset."""
    found, at = [], start
    for _ in range(count):
        at = cron.after(at)
        found.append(at.astimezone(ZoneInfo(cron.zone)).strftime("%m-%d %H:%M %z"))
    return found


def berlin(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=BERLIN)  # type: ignore[misc,arg-type]


def test_a_daily_time_stays_on_the_wall_clock() -> None:
    daily = Cron("0 9 * * *", "Europe/Berlin")
    assert runs(daily, berlin(2026, 3, 28, 8, 0), 3) == ["03-28 09:00 +0100", "03-29 09:00 +0200", "03-30 09:00 +0200"]


def test_a_time_that_the_clock_skips_is_an_hour_later_and_once() -> None:
    daily = Cron("30 2 * * *", "Europe/Berlin")
    assert runs(daily, berlin(2026, 3, 28, 1, 0), 3) == ["03-28 02:30 +0100", "03-29 03:30 +0200", "03-30 02:30 +0200"]


def test_a_time_that_the_clock_shows_twice_counts_once() -> None:
    daily = Cron("30 2 * * *", "Europe/Berlin")
    assert runs(daily, berlin(2026, 10, 24, 3, 0), 2) == ["10-25 02:30 +0200", "10-26 02:30 +0100"]
    second_time = datetime(2026, 10, 25, 2, 10, tzinfo=BERLIN, fold=1)
    assert runs(daily, second_time, 1) == ["10-26 02:30 +0100"]


def test_every_hour_is_every_hour_while_the_clock_changes() -> None:
    hourly = Cron("0 * * * *", "Europe/Berlin")
    spring = ["03-29 01:00 +0100", "03-29 03:00 +0200", "03-29 04:00 +0200"]
    assert runs(hourly, berlin(2026, 3, 29, 0, 30), 3) == spring
    autumn = ["10-25 02:00 +0200", "10-25 02:00 +0100", "10-25 03:00 +0100"]
    assert runs(hourly, berlin(2026, 10, 25, 1, 30), 3) == autumn


def test_every_half_hour_keeps_its_pace_in_the_hour_that_comes_twice() -> None:
    often = Cron("*/30 * * * *", "Europe/Berlin")
    found = ["10-25 02:30 +0200", "10-25 02:00 +0100", "10-25 02:30 +0100", "10-25 03:00 +0100"]
    assert runs(often, berlin(2026, 10, 25, 2, 10), 4) == found


def test_a_zone_whose_clock_moves_by_half_an_hour() -> None:
    hourly = Cron("0 * * * *", "Australia/Lord_Howe")
    start = datetime(2026, 4, 4, 14, 0, tzinfo=UTC)  # the clock goes back from 02:00 to 01:30
    assert runs(hourly, start, 3)[0] == "04-05 02:00 +1030"


def test_tokyo_has_no_daylight_saving_time() -> None:
    assert runs(Cron("0 9 * * *", "Asia/Tokyo"), datetime(2026, 11, 30, tzinfo=UTC), 2) == [
        "12-01 09:00 +0900",
        "12-02 09:00 +0900",
    ]


@pytest.mark.parametrize(
    ("expression", "days"),
    [
        ("0 3 31 * *", ["01-31", "03-31", "05-31", "07-31"]),
        ("0 3 L * *", ["01-31", "02-28", "03-31", "04-30"]),
        ("0 3 30 * *", ["01-30", "03-30", "04-30", "05-30"]),
        ("0 3 1 * *", ["02-01", "03-01", "04-01", "05-01"]),
        ("0 3 * * 1", ["01-05", "01-12", "01-19", "01-26"]),
    ],
)
def test_ends_of_months(expression: str, days: list[str]) -> None:
    start = datetime(2026, 1, 1, 12, tzinfo=UTC)
    assert [each[:5] for each in runs(Cron(expression), start, 4)] == days


def test_the_last_day_of_february_in_a_leap_year() -> None:
    assert Cron("0 3 L 2 *").after(datetime(2027, 12, 1, tzinfo=UTC)) == datetime(2028, 2, 29, 3, tzinfo=UTC)
    assert Cron("0 3 29 2 *").after(datetime(2026, 1, 1, tzinfo=UTC)) == datetime(2028, 2, 29, 3, tzinfo=UTC)


def test_the_next_run_after_a_slot_is_not_that_slot() -> None:
    slot = datetime(2026, 1, 1, 3, 0, tzinfo=UTC)
    assert Cron("0 3 * * *").after(slot) == slot + timedelta(days=1)
    assert Cron("0 3 * * *").after(slot - timedelta(microseconds=1)) == slot


@pytest.mark.parametrize(
    ("expression", "zone"),
    [
        ("0 3 30 2 *", "UTC"),
        ("0 25 * * *", "UTC"),
        ("nonsense", "UTC"),
        ("0 3 * *", "UTC"),
        ("* * * * * *", "UTC"),
        ("", "UTC"),
        ("0 3 * * *", "Asia/Tokio"),
    ],
)
def test_what_never_comes_is_refused(expression: str, zone: str) -> None:
    with pytest.raises(ValueError, match=r"cron|no time"):
        Cron(expression, zone)


@given(
    at=st.datetimes(datetime(2020, 1, 1), datetime(2035, 1, 1), timezones=st.just(UTC)),
    zone=st.sampled_from(["UTC", "Asia/Tokyo", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe"]),
    expression=st.sampled_from(["0 9 * * *", "30 2 * * *", "*/15 * * * *", "0 * * * *", "0 0 1 * *", "0 2 L * *"]),
)
def test_the_next_run_is_later_and_nothing_is_due_in_between(at: datetime, zone: str, expression: str) -> None:
    cron = Cron(expression, zone)
    following = cron.after(at)
    assert following > at
    between = at + (following - at) / 2
    assert cron.after(between) == following


def test_an_interval() -> None:
    at = datetime(2026, 1, 1, tzinfo=UTC)
    every = Every(300)
    assert (every.cron, every.after(at), every.first(at)) == (
        "@every 300s",
        at + timedelta(minutes=5),
        at + timedelta(minutes=1),
    )


def test_failures_are_tried_again_soon_and_then_less_often() -> None:
    assert [Cron("0 3 * * *").back_off(count) for count in (1, 2, 3)] == [60, 120, 240]
    assert Cron("0 3 * * *").back_off(99) == LONGEST_BACK_OFF_SECONDS
    assert [Every(1).back_off(count) for count in (1, 2, 99)] == [2, 4, 60]
    assert [Every(300).back_off(count) for count in (1, 99)] == [300, 300]
    assert (Every(1).grace_seconds, Every(300).grace_seconds, Cron("0 3 * * *").grace_seconds) == (300, 900, 900)
    assert (Every(1).look_again_seconds, Every(300).look_again_seconds) == (2, 30)
