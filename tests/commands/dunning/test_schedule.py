"""The days of dunning: never sooner than planned, whatever was missed, and never a free day for a suspension."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.commands.dunning.policy import DunningPolicy, policies
from app.commands.dunning.schedule import Calendar, calendar_of, forecast, slot_day, suspension_day
from app.processes.clock import registry
from app.settings import Settings, SettingsError

POLICY = DunningPolicy((1, 3, 7), 7)
TOKYO = Calendar(ZoneInfo("Asia/Tokyo"), 9, "JP")
DUE = date(2027, 1, 18)
DAYS = st.dates(date(2026, 1, 1), date(2030, 12, 31))


@pytest.mark.parametrize(
    ("day", "expected"),
    [
        (date(2027, 1, 22), date(2027, 1, 22)),
        (date(2027, 1, 23), date(2027, 1, 25)),  # Saturday
        (date(2026, 12, 31), date(2027, 1, 4)),  # the banks are closed from the last day of the year to the third
        (date(2027, 5, 3), date(2027, 5, 6)),  # Golden Week
        (date(2027, 3, 21), date(2027, 3, 23)),  # a holiday on a Sunday makes the Monday one
        (date(2028, 2, 29), date(2028, 2, 29)),
    ],
)
def test_a_working_day_in_japan(day: date, expected: date) -> None:
    assert TOKYO.working_day(day) == expected


def test_without_a_country_only_weekends_are_free() -> None:
    assert Calendar(ZoneInfo("Asia/Tokyo"), 9).working_day(date(2027, 5, 3)) == date(2027, 5, 3)


@given(DAYS)
def test_the_day_of_suspension_is_never_early_and_never_a_free_day(last_on: date) -> None:
    day = suspension_day(TOKYO, POLICY, last_on)
    assert day is not None
    assert last_on + timedelta(days=7) <= day <= last_on + timedelta(days=21)
    assert TOKYO.is_working_day(day)


@given(DAYS, st.lists(st.integers(0, 40), min_size=3, max_size=3))
def test_repetitions_keep_their_distances_whatever_was_missed(due_on: date, late: list[int]) -> None:
    passed_on, gaps = None, (1, 2, 4)
    for slot, missed in enumerate(late, start=1):
        planned = slot_day(POLICY, slot, due_on, passed_on)
        assert planned >= due_on + timedelta(days=POLICY.retry_days[slot - 1])
        if passed_on is not None:
            assert (planned - passed_on).days >= gaps[slot - 1]
        passed_on = planned + timedelta(days=missed)


def test_the_first_repetition_counts_from_the_due_date_alone() -> None:
    assert slot_day(POLICY, 1, DUE, DUE + timedelta(days=20)) == DUE + timedelta(days=1)
    assert slot_day(POLICY, 2, DUE, None) == DUE + timedelta(days=3)


@pytest.mark.parametrize(("seen", "day"), [(0, 25), (5, 20), (7, 18), (9, 18)])
def test_days_of_grace_that_were_given_are_not_given_again(seen: int, day: int) -> None:
    assert suspension_day(TOKYO, POLICY, DUE, seen) == date(2027, 1, day)


def test_days_that_some_celebrate_are_working_days() -> None:
    assert Calendar(ZoneInfo("America/New_York"), 9, "US").is_working_day(date(2027, 2, 2))


def test_the_calendar_is_that_of_the_settings(settings: Settings) -> None:
    changed = msgspec.structs.replace(settings, whmcs_time_zone="Asia/Tokyo", dunning_hour=7, dunning_holidays=" jp ")
    assert calendar_of(changed) == Calendar(ZoneInfo("Asia/Tokyo"), 7, "JP")


def test_what_is_announced_is_what_happens_if_nothing_is_missed() -> None:
    announced = forecast(TOKYO, POLICY, 1, DUE, None)
    assert announced == suspension_day(TOKYO, POLICY, DUE + timedelta(days=7)) == date(2027, 2, 1)
    assert forecast(TOKYO, POLICY, 3, DUE, DUE + timedelta(days=10)) == date(2027, 2, 8)  # a week late
    assert suspension_day(TOKYO, DunningPolicy((1,), None), DUE) is None


@pytest.mark.parametrize(
    ("zone", "day", "instant"),
    [
        ("Europe/Berlin", date(2027, 3, 28), datetime(2027, 3, 28, 7, tzinfo=UTC)),  # summer time begins
        ("Europe/Berlin", date(2027, 10, 31), datetime(2027, 10, 31, 8, tzinfo=UTC)),
        ("Asia/Tokyo", date(2027, 1, 31), datetime(2027, 1, 31, 0, tzinfo=UTC)),
    ],
)
def test_the_hour_is_that_of_the_wall_clock(zone: str, day: date, instant: datetime) -> None:
    calendar = Calendar(ZoneInfo(zone), 9)
    assert calendar.opening(day) == instant
    assert (
        calendar.day_of(calendar.midnight(day)) == day == calendar.day_of(calendar.midnight(day) + timedelta(hours=22))
    )


def test_an_hour_that_the_clock_skips_is_no_obstacle() -> None:
    calendar = Calendar(ZoneInfo("Europe/Berlin"), 2)
    assert calendar.day_of(calendar.opening(date(2027, 3, 28))) == date(2027, 3, 28)


@pytest.mark.parametrize(
    ("changed", "word"),
    [
        ({"dunning_retry_days": "3,1"}, "days must rise"),
        ({"dunning_retry_days": "1,1"}, "days must rise"),
        ({"dunning_retry_days": "0,1"}, "from 1"),
        ({"dunning_retry_days": ""}, "at least one day"),
        ({"dunning_retry_days": "1,x"}, "no days"),
        ({"dunning_retry_days": "1,999"}, "from 1 to 90"),
        ({"dunning_policies": "product 12"}, "is not like"),
        ({"dunning_policies": "service 12: 1 + 7"}, "is not like"),
        ({"dunning_policies": "product 12: 1,3"}, "is not like"),
        ({"dunning_policies": "product 12: 1 + 0"}, "from 1 to 90"),
        ({"dunning_policies": "product 12: 1 + x"}, "no number of days"),
        ({"dunning_policies": "product 12: 1 + 7; product 012: 2 + 7"}, "named twice"),
        ({"dunning_holidays": "XX"}, "no holidays are known of 'XX'[.]$"),
    ],
)
def test_what_cannot_be_used_is_said_in_one_sentence(settings: Settings, changed: dict[str, str], word: str) -> None:
    with pytest.raises(SettingsError, match=word):
        registry.jobs(msgspec.structs.replace(settings, **changed))


def test_a_group_outranks_products_and_the_most_patient_product_counts(settings: Settings) -> None:
    text = "group 3: 2,5 + 14; product 12: 1 + never; product 13: 1 + 3"
    rules = policies(msgspec.structs.replace(settings, dunning_policies=text))
    assert rules.of("3", ["12"]) == DunningPolicy((2, 5), 14)
    assert rules.of("0", ["13"]) == DunningPolicy((1,), 3)
    assert rules.of("0", ["13", "99"]) == POLICY
    assert rules.of("0", ["13", "12"]) == DunningPolicy((1,), None)
    assert rules.of("9", []) == POLICY
