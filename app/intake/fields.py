"""Optional fields of one upstream record, read tolerantly: unreadable is None, and counted."""

from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

from msgspec import Struct

from app.intake import parse, unreadable

T = TypeVar("T")
_NOTHING = frozenset(
    {"", "0000-00-00", "0000-00-00 00:00", "0000-00-00 00:00:00", "-0001-11-30", "-0001-11-30 00:00:00"}
)
"""What an upstream writes for a date that it does not have: absent, not unreadable."""


class Fields(Struct, frozen=True):
    """The fields of a record of one kind. `source` and `object` are the upstream's words for it."""

    source: str
    object: str
    record_id: str
    values: Mapping[str, Any]

    def money(self, name: str) -> Decimal | None:
        """An amount."""
        return self._counted(name, parse.money(self.values.get(name)))

    def whole_number(self, name: str) -> int | None:
        """A count."""
        return self._counted(name, parse.whole_number(self.values.get(name)))

    def day(self, name: str) -> date | None:
        """A day."""
        return self._counted(name, parse.day(self.values.get(name)))

    def instant(self, name: str, zone: ZoneInfo | None = None) -> datetime | None:
        """An instant in UTC."""
        return self._counted(name, parse.instant(self.values.get(name), zone))

    def _counted(self, name: str, found: T | None) -> T | None:
        value = self.values.get(name)
        if found is None and value is not None and str(value).strip()[:30] not in _NOTHING:
            unreadable.note(self.source, self.object, name, self.record_id)
        return found
