"""When a job runs: by a cron expression on the wall clock of a zone, or at an interval.

Both are pure. A job whose runs were missed is due once, however many there were: the next run is counted from now,
never from the last one.
"""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from croniter import CroniterBadCronError, CroniterBadDateError, croniter
from msgspec import Struct

DST_WINDOW = timedelta(hours=3)
"""No change of daylight saving time moves a clock by more."""
LONGEST_BACK_OFF_SECONDS = 3_600.0
SHORT_BACK_OFF_SECONDS = 60.0


class Every(Struct, frozen=True):
    """At an interval from the end of one run to the next."""

    seconds: float

    @property
    def cron(self) -> str:
        """The interval in the notation that many schedulers share."""
        return f"@every {self.seconds:g}s"

    @property
    def zone(self) -> str:
        """The same everywhere."""
        return "UTC"

    @property
    def grace_seconds(self) -> float:
        """How long a run may be late before it counts as overdue."""
        return max(3 * self.seconds, 300.0)

    @property
    def look_again_seconds(self) -> float:
        """When others look whether a run that began was interrupted."""
        return min(max(2 * self.seconds, 2.0), 30.0)

    def after(self, at: datetime) -> datetime:
        """Return the next run after an instant."""
        return at + timedelta(seconds=self.seconds)

    def first(self, at: datetime) -> datetime:
        """Return the first run of a job that has never run: soon, but not all at once."""
        return at + timedelta(seconds=min(self.seconds / 5, 60.0))

    def back_off(self, failures: int) -> float:
        """Return the seconds to wait after this many failures in a row."""
        longest = max(self.seconds, SHORT_BACK_OFF_SECONDS)
        return min(self.seconds * 2.0 ** min(failures, 20), longest)


class Cron(Struct, frozen=True):
    """At the times of a cron expression with five fields, on the clock of `zone`. `L` is the last day of a month.

    A time that the clock skips in spring is an hour later on that day. A time that it shows twice in autumn counts the
    first time; where the hour is `*`, it counts both times.

    Raises:
        ValueError: the expression or the zone is unusable, or names a day that never comes.
    """

    expression: str
    zone: str = "UTC"

    def __post_init__(self) -> None:
        """Refuse what could never run."""
        try:
            if len(self.expression.split()) != 5:
                raise ValueError(f"{self.expression!r} has not the five fields of a cron expression")
            self.after(datetime(2026, 1, 1, tzinfo=UTC))
        except (CroniterBadCronError, CroniterBadDateError, OSError, KeyError) as error:
            raise ValueError(f"{self.expression!r} in {self.zone!r} is no time that comes: {error}") from error

    @property
    def cron(self) -> str:
        """The expression."""
        return self.expression

    @property
    def grace_seconds(self) -> float:
        """How long a run may be late before it counts as overdue."""
        return 900.0

    @property
    def look_again_seconds(self) -> float:
        """When others look whether a run that began was interrupted."""
        return 30.0

    def after(self, at: datetime) -> datetime:
        """Return the first instant after another one at which the expression holds."""
        zone = ZoneInfo(self.zone)
        wall = at.astimezone(zone).replace(tzinfo=None)
        slots = croniter(self.expression, wall - DST_WINDOW)
        found: datetime | None = None
        while True:
            slot = slots.get_next(datetime)
            if found is not None and slot > wall + DST_WINDOW:
                return found
            for instant in self._instants(slot, zone):
                if instant > at and (found is None or instant < found):
                    found = instant

    def first(self, at: datetime) -> datetime:
        """Return the first run of a job that has never run."""
        return self.after(at)

    def back_off(self, failures: int) -> float:
        """Return the seconds to wait after this many failures in a row."""
        return min(SHORT_BACK_OFF_SECONDS * 2.0 ** min(max(failures - 1, 0), 20), LONGEST_BACK_OFF_SECONDS)

    def _instants(self, slot: datetime, zone: ZoneInfo) -> list[datetime]:
        """Return the instants at which a wall clock shows a time and the job runs."""
        first, second = slot.replace(tzinfo=zone), slot.replace(tzinfo=zone, fold=1)
        shown_twice = (second.utcoffset() or timedelta()) < (first.utcoffset() or timedelta())
        every_hour = self.expression.split()[1].startswith("*")
        found = [first, second] if shown_twice and every_hour else [first]
        return [instant.astimezone(UTC) for instant in found]


Timing = Every | Cron
