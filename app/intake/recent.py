"""A least-recently-used cache of bounded size."""

from collections import OrderedDict
from typing import TypeVar

RecentKey = TypeVar("RecentKey")
Value = TypeVar("Value")


class Recent(OrderedDict[RecentKey, Value]):
    """At most `most` entries; the least recently used is evicted first, so a flood of new entries never evicts all."""

    def __init__(self, most: int) -> None:
        super().__init__()
        self.most = most

    def seen(self, key: RecentKey) -> Value | None:
        """Return the value and mark it as the most recently used."""
        if (value := self.get(key)) is not None:
            self.move_to_end(key)
        return value

    def put(self, key: RecentKey, value: Value) -> tuple[RecentKey, Value] | None:
        """Store a value as the most recent; returns the evicted entry."""
        self[key] = value
        self.move_to_end(key)
        return self.popitem(last=False) if len(self) > self.most else None
