"""A memory of bounded size: what was used last stays."""

from collections import OrderedDict
from typing import TypeVar

RecentKey = TypeVar("RecentKey")
Value = TypeVar("Value")


class Recent(OrderedDict[RecentKey, Value]):
    """At most `most` entries. Who floods it with new ones pushes out what was not used for the longest time, and never
    all of it."""

    def __init__(self, most: int) -> None:
        super().__init__()
        self.most = most

    def seen(self, key: RecentKey) -> Value | None:
        """The value, which is the last to be pushed out from here on."""
        if (value := self.get(key)) is not None:
            self.move_to_end(key)
        return value

    def put(self, key: RecentKey, value: Value) -> tuple[RecentKey, Value] | None:
        """Keep a value as the latest; returns what it pushed out."""
        self[key] = value
        self.move_to_end(key)
        return self.popitem(last=False) if len(self) > self.most else None
