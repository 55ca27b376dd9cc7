"""The time in the sandbox: the machine's, moved by an offset on demand."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

TOKYO = ZoneInfo("Asia/Tokyo")
"""Where the stand-ins' servers are; WHMCS and Freebit write local times without saying so."""


class Clock:
    """Now, plus `offset_seconds`."""

    def __init__(self) -> None:
        self.offset_seconds = 0.0

    def now(self) -> datetime:
        """An aware instant in UTC."""
        return datetime.now(UTC) + timedelta(seconds=self.offset_seconds)

    def local(self) -> datetime:
        """The same instant as the servers' wall clock has it, without a zone."""
        return self.now().astimezone(TOKYO).replace(tzinfo=None, microsecond=0)

    def today(self) -> date:
        """The servers' date."""
        return self.local().date()
