"""The announced end of something that callers use, and the headers that tell them (RFC 9745, RFC 8594)."""

from collections.abc import Iterable
from datetime import UTC, date, datetime, time, timedelta
from email.utils import formatdate

from msgspec import Struct

LEAST_NOTICE_DAYS = 182
"""Half a year between the announcement and the end, as docs/compatibility.md promises."""
GRACE_DAYS = 30
"""The time after its end in which what ended must leave the code; the test suite fails after it."""

HeaderPairs = list[tuple[bytes, bytes]]


class AnnouncedEnd(Struct, frozen=True, kw_only=True):
    """The end of an operation, of some of its fields, or of a version.

    Attributes:
        deprecated_on: the day from which callers should use something else.
        sunset_on: the first day, from 00:00 UTC, on which it is not answered.
        see: the address that tells what to do.
        fields: the fields of an operation that end; empty when all of it ends.
    """

    deprecated_on: date
    sunset_on: date
    see: str = "/docs/versions"
    fields: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Refuse an end that comes too soon.

        Raises:
            ValueError: names both days.
        """
        if self.sunset_on - self.deprecated_on < timedelta(days=LEAST_NOTICE_DAYS):
            raise ValueError(
                f"From {self.deprecated_on} to {self.sunset_on} are less than {LEAST_NOTICE_DAYS} days: "
                "callers are promised half a year."
            )

    @property
    def ends_at(self) -> float:
        """The instant of the end, in seconds since the epoch."""
        return _midnight(self.sunset_on)

    def is_past(self, now: float) -> bool:
        """Return whether it has ended at this instant."""
        return now >= self.ends_at

    def is_overdue(self, now: float) -> bool:
        """Return whether it ended so long ago that it must have left the code."""
        return now >= _midnight(self.sunset_on + timedelta(days=GRACE_DAYS))


def ending_headers(endings: Iterable[AnnouncedEnd | None]) -> HeaderPairs:
    """Render the headers of an answer on which several ends bear: the earliest days, and a link to each."""
    found = [each for each in endings if each is not None]
    if not found:
        return []
    deprecated_at = int(_midnight(min(each.deprecated_on for each in found)))
    links = [f'<{see}>; rel="deprecation"; type="text/html"' for see in dict.fromkeys(each.see for each in found)]
    return [
        (b"deprecation", b"@%d" % deprecated_at),
        (b"sunset", formatdate(min(each.ends_at for each in found), usegmt=True).encode()),
        (b"link", ", ".join(links).encode()),
    ]


def _midnight(day: date) -> float:
    return datetime.combine(day, time.min, UTC).timestamp()
