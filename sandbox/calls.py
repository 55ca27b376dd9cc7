"""The log of calls to each upstream: the proof that a query called none."""

from collections import deque
from dataclasses import asdict, dataclass
from typing import Any

from sandbox.clock import Clock

KEPT_CALLS = 20_000
READS = ("get", "query", "token", "pubsub", "sobjects.get", "sobjects.read", "version", "list", "auth", "mvno/get")
"""Prefixes of the names of operations that change nothing."""


@dataclass(frozen=True)
class Call:
    """One call; `number` counts from 1 since the log was last emptied."""

    number: int
    at: str
    upstream: str
    operation: str
    user_agent: str
    detail: str


class Calls:
    """The most recent calls, the oldest dropped first. The total counts all of them since the log was last cleared."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._kept: deque[Call] = deque(maxlen=KEPT_CALLS)
        self._number = 0
        self.writes = 0
        """How many calls may have changed something: what persistence watches."""

    def record(self, upstream: str, operation: str, *, user_agent: str = "", detail: str = "") -> None:
        """Log one call. `detail` must hold no secret and no personal data."""
        self._number += 1
        self.writes += not operation.lower().startswith(READS)
        at = self._clock.now().isoformat(timespec="milliseconds")
        self._kept.append(Call(self._number, at, upstream, operation, user_agent, detail))

    def listed(self, upstream: str = "", operation: str = "") -> dict[str, Any]:
        """Return the calls to an upstream (to all when empty), oldest first, and their number."""
        found = [
            asdict(call)
            for call in self._kept
            if upstream in ("", call.upstream) and operation.lower() in ("", call.operation.lower())
        ]
        total = len(found) if upstream or operation else self._number
        return {"total": total, "calls": found}

    def clear(self) -> None:
        """Clear the log and restart its numbers."""
        self._kept.clear()
        self._number = 0
