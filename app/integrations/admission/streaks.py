"""Detection of an outage: how many calls in a row, or of the latest ones, must fail before the breaker opens."""

from collections import deque
from time import monotonic
from typing import NamedTuple

from app.integrations.admission.outcomes import CallOutcome

WINDOW_SECONDS = 30.0
"""Failures further apart count as failures of single calls."""
LIMITED_IN_ROW = 2
AWAY_IN_ROW = 3
FALTERING_IN_ROW, DIFFERENT_CALLS = 5, 3
"""Time-outs and error pages count as an outage only over several different calls.

One customer whose record makes the upstream fail, requested repeatedly, must not stop the others.
"""
ANY_IN_ROW = 10
LATEST, MOSTLY = 20, 16
"""Opens if this many of the latest calls failed: half of a cluster is down, and successes in between end every row."""
REFUSED_IN_ROW, REFUSED_OPERATIONS = 5, 2
LOGINS_IN_ROW = 3


class Failure(NamedTuple):
    """One failed call; `key` identifies calls for the same thing."""

    at: float
    outcome: CallOutcome
    key: str


class Streak:
    """The latest outcomes of one upstream in one process."""

    def __init__(self) -> None:
        self._row: deque[Failure] = deque(maxlen=ANY_IN_ROW)
        self._refusals: deque[Failure] = deque(maxlen=ANY_IN_ROW)
        self._latest: deque[tuple[float, str | None]] = deque(maxlen=LATEST)
        """Time of each call, and its key if it failed; None if it did not."""

    def clear(self) -> None:
        """Forget all recorded outcomes."""
        self._row.clear()
        self._refusals.clear()
        self._latest.clear()

    def answered(self, *, login: bool) -> None:
        """Record an answered call. A working log-in proves nothing about the calls made with its token."""
        if self._row:
            self._row.clear()
        if not login:
            self._refusals.clear()
        self._latest.append((monotonic(), None))

    def failed(self, outcome: CallOutcome, key: str) -> str:
        """Record a failed call; returns the reason to open the breaker (`limit`, `outage`), or ""."""
        now = monotonic()
        self._row.append(Failure(now, outcome, key))
        self._latest.append((now, key))
        row = [each for each in self._row if now - each.at < WINDOW_SECONDS]
        kinds = [each.outcome for each in row]
        if "limited" in kinds and len(row) >= LIMITED_IN_ROW:
            return "limit"
        if kinds.count("away") >= AWAY_IN_ROW or len(row) >= ANY_IN_ROW or self._mostly_failing(now):
            return "outage"
        if len(row) >= FALTERING_IN_ROW and len({each.key for each in row}) >= DIFFERENT_CALLS:
            return "outage"
        return ""

    def refused(self, operation: str, *, login: bool) -> str:
        """Record refused credentials; returns `auth` if more than one operation is affected."""
        now = monotonic()
        self._row.clear()
        self._refusals.append(Failure(now, "refused", "" if login else operation))
        row = [each for each in self._refusals if now - each.at < WINDOW_SECONDS]
        logins = sum(not each.key for each in row)
        many = len(row) >= REFUSED_IN_ROW and len({each.key for each in row}) >= REFUSED_OPERATIONS
        return "auth" if many or logins >= LOGINS_IN_ROW else ""

    def _mostly_failing(self, now: float) -> bool:
        recent = [key for at, key in self._latest if now - at < WINDOW_SECONDS]
        failed = [key for key in recent if key is not None]
        return len(recent) >= LATEST and len(failed) >= MOSTLY and len(set(failed)) >= DIFFERENT_CALLS
