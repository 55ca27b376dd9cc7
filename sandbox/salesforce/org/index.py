"""Finding rows by the value of one field."""

from dataclasses import dataclass, field
from typing import Any


@dataclass
class Index:
    """Value → ids of the rows that have it, in the order in which they got it; `exact` minds the case, as ids do."""

    exact: bool
    members: dict[str, dict[str, None]] = field(default_factory=dict)

    def find(self, value: Any) -> list[str]:
        """Return the ids of the rows with a value."""
        return list(self.members.get(self._key(value), ()))

    def move(self, record_id: str, old: Any, new: Any) -> None:
        """Follow a row whose value changed; None is no value."""
        if old is not None:
            ids = self.members[self._key(old)]
            ids.pop(record_id, None)
            if not ids:
                del self.members[self._key(old)]
        if new is not None:
            self.members.setdefault(self._key(new), {})[record_id] = None

    def _key(self, value: Any) -> str:
        return str(value) if self.exact else str(value).lower()
