"""The event bus: one ordered log per topic, with opaque replay ids, retention and the faults a bus can have.

Everything here is data and survives pickling, except the listeners and the faults that are being simulated.
"""

import random
import time
from bisect import bisect_left, bisect_right
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from sandbox.salesforce.bus.avro import Schema
from sandbox.salesforce.bus.swallowing import Spoil, Swallow

RETENTION_MS = 72 * 3600 * 1000
KEPT_EVENTS = 50_000


@dataclass(frozen=True)
class Event:
    """One event as it lies on the bus."""

    id: str
    schema_id: str
    payload: bytes
    at_ms: int


def replay_id(counter: int) -> bytes:
    """Return a position as it is on the wire: ten bytes, the counter and two zero bytes."""
    return counter.to_bytes(8, "big") + b"\0\0"


def counter_of(replay: bytes) -> int | None:
    """Return the counter of a replay id of ten bytes, or of the eight that some clients send back; None for anything
    else."""
    if len(replay) == 10 and replay[8:] == b"\0\0":
        return int.from_bytes(replay[:8], "big")
    return int.from_bytes(replay, "big") if len(replay) == 8 else None


def _beginning() -> int:
    """Return a start that no earlier process has reached, so that replay ids from before a reset are unknown after
    it."""
    return time.time_ns() // 1_000_000


@dataclass
class TopicLog:
    """The retained events of one topic; `floor` is the position just before the oldest."""

    floor: int = field(default_factory=_beginning)
    counters: list[int] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)

    @property
    def tip(self) -> int:
        """The position of the newest event."""
        return self.counters[-1] if self.counters else self.floor

    def append(self, event: Event) -> int:
        """Append an event and return its position: above the last by a small random step, so that no client relies on
        contiguity."""
        counter = self.tip + random.randint(1, 5)
        self.counters.append(counter)
        self.events.append(event)
        self._purge(event.at_ms - RETENTION_MS)
        return counter

    def after(self, position: int, limit: int) -> list[tuple[int, Event]]:
        """Return the next events behind a position."""
        start = bisect_right(self.counters, position)
        return list(zip(self.counters[start : start + limit], self.events[start : start + limit], strict=True))

    def knows(self, position: int) -> bool:
        """Return whether delivery can resume behind a position without a gap."""
        if position == self.floor:
            return True
        at = bisect_left(self.counters, position)
        return at < len(self.counters) and self.counters[at] == position

    def forget(self) -> None:
        """Drop every event and expire every position given out so far."""
        self.floor = max(self.tip + 1, _beginning())
        self.counters, self.events = [], []

    def _purge(self, oldest_ms: int) -> None:
        excess = max(0, len(self.events) - KEPT_EVENTS)
        while excess < len(self.events) and self.events[excess].at_ms < oldest_ms:
            excess += 1
        if excess:
            self.floor = self.counters[excess - 1]
            del self.counters[:excess], self.events[:excess]


class Bus:
    """All topics of the org and every schema that was ever current."""

    def __init__(self, topics: list[str]) -> None:
        self.topics = {name: TopicLog() for name in topics}
        self.schemas: dict[str, Schema] = {}
        self._quiet_start()

    def _quiet_start(self) -> None:
        self.listeners: set[Callable[[], None]] = set()
        self.aborts = 0
        self.abort_code = ""
        self.silent_until = 0.0
        self.swallows: list[Swallow] = []
        self.spoils: list[Spoil] = []

    def __getstate__(self) -> dict[str, Any]:
        return {"topics": self.topics, "schemas": self.schemas}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._quiet_start()

    def publish(self, topics: list[str], event: Event) -> int:
        """Append an event to each of the topics that exist. Return its position in the last one."""
        return [self.topics[name].append(event) for name in topics if name in self.topics][-1]

    def wake(self) -> None:
        """Wake every stream, because there may be events."""
        for listener in list(self.listeners):
            listener()

    def abort_streams(self, code: str) -> None:
        """End every open stream with an error code (`service.unavailable`)."""
        self.aborts += 1
        self.abort_code = code
        self.wake()

    def fall_silent(self, seconds: float) -> None:
        """Keep streams open but deliver nothing for a while, not even keepalives."""
        self.silent_until = time.monotonic() + seconds
        self.wake()

    def forget(self) -> None:
        """Expire every replay id given out so far on every topic."""
        for log in self.topics.values():
            log.forget()
