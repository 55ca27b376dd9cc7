"""The time in the sandbox: the machine's, moved by an offset on demand."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

TOKYO = ZoneInfo("Asia/Tokyo")
"""The zone of the stand-ins' servers. WHMCS and Freebit write local times without a zone."""


class Clock:
    """Now, plus `offset_seconds`."""

    def __init__(self) -> None:
        self.offset_seconds = 0.0

    def now(self) -> datetime:
        """Return the current instant, aware, in UTC."""
        return datetime.now(UTC) + timedelta(seconds=self.offset_seconds)

    def local(self) -> datetime:
        """Return the same instant as the servers' wall clocks show it, without a zone."""
        return self.now().astimezone(TOKYO).replace(tzinfo=None, microsecond=0)

    def today(self) -> date:
        """Return the servers' date."""
        return self.local().date()
