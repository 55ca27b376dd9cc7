"""The days of dunning: when a charge is repeated, and on which day services are suspended. Pure.

Days are dates on WHMCS's clock. The days of the policy count from the due date, and the time between two of them is
never shorter than planned: whatever was missed, nothing piles up.
"""

from datetime import date, datetime, time, timedelta
from functools import cache
from zoneinfo import ZoneInfo

from holidays import HolidayBase, country_holidays
from msgspec import Struct

from app.commands.dunning.policy import DunningPolicy
from app.settings import Settings, SettingsError

SATURDAY = 5
LONGEST_SEARCH_DAYS = 60


class Calendar(Struct, frozen=True):
    """The clock and the holidays by which days count. `country` is empty where only weekends are free."""

    zone: ZoneInfo
    hour: int
    country: str = ""

    def day_of(self, at: datetime) -> date:
        """Return the date on WHMCS's clock."""
        return at.astimezone(self.zone).date()

    def opening(self, day: date) -> datetime:
        """Return the instant of a day from which on it is acted."""
        return datetime.combine(day, time(self.hour), self.zone)

    def midnight(self, day: date) -> datetime:
        """Return the instant at which a day begins."""
        return datetime.combine(day, time(), self.zone)

    def working_day(self, day: date) -> date:
        """Return the day itself, or the first one after it that is neither on a weekend nor a holiday."""
        for _ in range(LONGEST_SEARCH_DAYS):
            if self.is_working_day(day):
                return day
            day += timedelta(days=1)
        raise ValueError(f"no working day in {self.country} after {day}")

    def is_working_day(self, day: date) -> bool:
        """Return whether somebody would be there to help a customer who was suspended."""
        return day.weekday() < SATURDAY and not (self.country and day in _holidays(self.country))


@cache
def _holidays(country: str) -> HolidayBase:
    """Return a country's holidays and the days on which its banks are closed."""
    wanted = {"public", "bank"} & set(country_holidays(country).supported_categories)
    return country_holidays(country, categories=tuple(sorted(wanted)))


def calendar_of(settings: Settings) -> Calendar:
    """Return the calendar of an installation.

    Raises:
        SettingsError: the country of the holidays is not known.
    """
    country = settings.dunning_holidays.strip().upper()
    if country:
        try:
            _holidays(country)
        except NotImplementedError as error:
            raise SettingsError(f"DUNNING_HOLIDAYS cannot be used: no holidays are known of {country!r}.") from error
    return Calendar(ZoneInfo(settings.whmcs_time_zone), settings.dunning_hour, country)


def slot_day(policy: DunningPolicy, slot: int, due_on: date, passed_on: date | None) -> date:
    """Return the day of a slot, counted from 1: so many days after the due date, and not sooner after the slot before,
    which passed on `passed_on`."""
    days = policy.retry_days
    planned = due_on + timedelta(days=days[slot - 1])
    if slot == 1 or passed_on is None:
        return planned
    return max(planned, passed_on + timedelta(days=days[slot - 1] - days[slot - 2]))


def suspension_day(calendar: Calendar, policy: DunningPolicy, last_on: date, grace_seen: int = 0) -> date | None:
    """Return the day of suspension if the last slot, or the last day of grace that counted, was on `last_on`."""
    if policy.grace_days is None:
        return None
    return calendar.working_day(last_on + timedelta(days=max(policy.grace_days - grace_seen, 0)))


def forecast(calendar: Calendar, policy: DunningPolicy, slot: int, due_on: date, passed_on: date | None) -> date | None:
    """Return the day of suspension as things stand before the last slot has passed; `slot` is the next one."""
    day = passed_on
    for number in range(slot, len(policy.retry_days) + 1):
        day = slot_day(policy, number, due_on, day)
    return suspension_day(calendar, policy, day or due_on)
