"""Optional fields of an upstream record, parsed tolerantly: an unreadable value is None, and counted."""

import re
from collections.abc import Callable, Mapping
from datetime import date, datetime
from decimal import Decimal
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

from msgspec import Struct

from app.intake import parse, unreadable

T = TypeVar("T")
_NOTHING = re.compile(r"|(?:0000-00-00|-0001-11-30|00/00/0000)(?:[T ][0:.]*)?")
"""What an upstream writes for a missing date: absent, not unreadable."""


class Fields(Struct, frozen=True):
    """The fields of one record. `source` and `object` are the upstream's names."""

    source: str
    object: str
    record_id: str
    values: Mapping[str, Any]

    def money(self, name: str) -> Decimal | None:
        """Parse a field as an amount."""
        return self._counted(name, parse.money(self.values.get(name)))

    def whole_number(self, name: str) -> int | None:
        """Parse a field as an integer."""
        return self._counted(name, parse.whole_number(self.values.get(name)))

    def day(self, name: str) -> date | None:
        """Parse a field as a date."""
        return self._counted(name, parse.day(self.values.get(name)))

    def instant(self, name: str, zone: ZoneInfo | None = None) -> datetime | None:
        """Parse a field as an instant in UTC."""
        return self._counted(name, parse.instant(self.values.get(name), zone))

    def read(self, name: str, parser: Callable[[Any], T | None]) -> T | None:
        """Parse a field with the given parser."""
        return self._counted(name, parser(self.values.get(name)))

    def says_nothing(self, name: str) -> bool:
        """Return true if the field is absent, empty, or a zero date."""
        value = self.values.get(name)
        return value is None or _says_nothing(value)

    def _counted(self, name: str, found: T | None) -> T | None:
        if found is None and not self.says_nothing(name):
            unreadable.note(self.source, self.object, name, self.record_id)
        return found


def _says_nothing(value: object) -> bool:
    return isinstance(value, str) and bool(_NOTHING.fullmatch(value.strip()))
