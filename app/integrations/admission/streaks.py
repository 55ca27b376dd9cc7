"""When trouble is an outage: how many calls in a row, or of the last ones, must fail before nobody calls any more."""

from collections import deque
from time import monotonic
from typing import NamedTuple

from app.integrations.admission.outcomes import CallOutcome

WINDOW_SECONDS = 30.0
"""Failures further apart are trouble of single calls."""
LIMITED_IN_ROW = 2
AWAY_IN_ROW = 3
FALTERING_IN_ROW, DIFFERENT_CALLS = 5, 3
"""Time-outs and error pages count as an outage only of several different calls: one customer whose record the upstream
stumbles over, asked for again and again, must not stop the others."""
ANY_IN_ROW = 10
LATEST, MOSTLY = 20, 16
"""Of the latest calls so many failed: half of a cluster is down, and successes in between end every row."""
REFUSED_IN_ROW, REFUSED_OPERATIONS = 5, 2
LOGINS_IN_ROW = 3


class Failure(NamedTuple):
    """One failed call; `key` tells calls for the same thing from others."""

    at: float
    outcome: CallOutcome
    key: str


class Streak:
    """The latest outcomes of one upstream in one process."""

    def __init__(self) -> None:
        self._row: deque[Failure] = deque(maxlen=ANY_IN_ROW)
        self._refusals: deque[Failure] = deque(maxlen=ANY_IN_ROW)
        self._latest: deque[tuple[float, str | None]] = deque(maxlen=LATEST)
        """When, and which call failed; None for one that did not."""

    def clear(self) -> None:
        """Begin anew."""
        self._row.clear()
        self._refusals.clear()
        self._latest.clear()

    def answered(self, *, login: bool) -> None:
        """A call was answered. A login that works says nothing of the calls that are made with it."""
        if self._row:
            self._row.clear()
        if not login:
            self._refusals.clear()
        self._latest.append((monotonic(), None))

    def failed(self, outcome: CallOutcome, key: str) -> str:
        """A call failed; the reason to open (`limit`, `outage`), or nothing yet."""
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
        """Our credentials were refused; `auth` when it is not one operation alone."""
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
