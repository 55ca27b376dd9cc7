"""The circuit breaker of one upstream in one process, and the availability that it reports."""

import math
import random
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from time import monotonic
from typing import Literal, Protocol

import structlog
from msgspec import Struct

from app.clock.recovery import told_seconds
from app.errors import UpstreamError, UpstreamMalformed
from app.integrations.admission.budgets import Budget
from app.integrations.admission.outcomes import CallOutcome, of_login, outcome_of
from app.integrations.admission.pauses import pause_seconds
from app.integrations.admission.streaks import Streak

BreakerState = Literal["closed", "open", "half_open"]
FIRST_RETRY_SECONDS = 2
"""Retry hint for a failed call while the breaker is closed: the failure is momentary."""
LONGEST_ERROR = 300

log = structlog.get_logger()


class UpstreamAvailability(Struct, frozen=True, kw_only=True):
    """Availability of an upstream. `reason`: outage, limit (it asked us to wait) or auth (credentials refused)."""

    upstream: str
    state: BreakerState
    since: datetime
    retry_at: datetime | None = None
    reason: str = ""
    error: str = ""
    failures: int = 0


def describe(availability: UpstreamAvailability) -> str:
    """Describe an upstream's trouble in one sentence for operators; empty while its calls go through."""
    if availability.state == "closed":
        return ""
    why = {"limit": "it asked us to wait", "auth": "it refuses our credentials"}.get(availability.reason, "it is away")
    then = f"next try at {availability.retry_at:%H:%M:%S} UTC" if availability.state == "open" else "being probed now"
    return (
        f"Calls to {availability.upstream} are suspended since {availability.since:%H:%M:%S} UTC: {why}; {then}. "
        f"{availability.error}".strip()
    )


class Claims(Protocol):
    """Coordinates which process may probe."""

    async def claim(self, breaker: "Breaker") -> bool | None:
        """Try to claim the probe; None if the other processes cannot be asked."""

    def changed(self) -> None:
        """Share that a breaker changed."""


class Breaker:
    """A circuit breaker. It restarts the budget's slow start when it closes."""

    def __init__(self, upstream: str, budget: Budget) -> None:
        self.upstream, self.budget = upstream, budget
        self.claims: Claims | None = None
        self.unsaved = False
        """True while the present state is not shared with the other processes."""
        self.version = 0
        """Version of the shared state that was last seen."""
        self.outages: Mapping[str, Sequence[float]] = {}
        """Durations of the upstream's recent outages in seconds, by their reason."""
        self._streak = Streak()
        self._state: BreakerState = "closed"
        self._reason = self._error = ""
        self._failures = self._epoch = self._outages_ended = 0
        self._since = datetime.now(UTC)
        self._retry_at = self._probe_until = 0.0

    @property
    def state(self) -> BreakerState:
        """closed: calls go through. open: no calls. half_open: one process probes with one call."""
        return self._state

    def availability(self) -> UpstreamAvailability:
        """Report the upstream's availability, as far as this process knows."""
        closed = self._state == "closed"
        return UpstreamAvailability(
            upstream=self.upstream,
            state=self._state,
            since=self._since,
            retry_at=None if closed else datetime.now(UTC) + timedelta(seconds=self.retry_in_seconds()),
            reason=self._reason,
            error=self._error,
            failures=self._failures,
        )

    def available(self) -> UpstreamAvailability:
        """Report an available upstream."""
        return UpstreamAvailability(upstream=self.upstream, state="closed", since=datetime.now(UTC))

    def retry_in_seconds(self) -> float:
        """Return the seconds until the next probe; 0 while calls go through."""
        if self._state == "closed":
            return 0.0
        return max((self._probe_until if self._state == "half_open" else self._retry_at) - monotonic(), 0.0)

    def recovery_seconds(self, asked: float | None = None) -> int:
        """Estimate when the upstream is back, from its recent outages: not before the next probe, nor before it said
        so itself."""
        closed = self._state == "closed"
        elapsed = 0.0 if closed else max((datetime.now(UTC) - self._since).total_seconds(), 0.0)
        least_seconds = max(math.ceil(self.retry_in_seconds()), asked or 0.0)
        known = self.outages.get(self._reason or "outage", ())
        return told_seconds(known, elapsed, random.random(), least_seconds=least_seconds)

    def _is_news(self, outages_ended: int) -> bool:
        """Return true if a slow probe's answer still counts though another process probed meanwhile and failed.

        A pause that the upstream asked for is kept.
        """
        return self._state == "open" and self._outages_ended == outages_ended and self._reason != "limit"

    def credentials_refused(self, error: UpstreamError) -> None:
        """Record that our credentials are refused on another channel to the upstream. Its outages do not count."""
        if self._state == "closed" and outcome_of(error) == "refused":
            self._count(error, "refused", None, error.operation, login=True, again=False)

    def _failed(self, error: UpstreamError, epoch: int, probe: bool, key: str, *, login: bool, again: bool) -> None:
        outcome = outcome_of(error)
        asked = float(error.retry_after_seconds or 0) if error.told_to_wait else None
        if outcome == "nothing":
            if probe and epoch == self._epoch:
                self._reopen(0.5, self._error)
            return
        if probe and epoch == self._epoch:
            self._probed(error, outcome, asked)
        elif self._state == "open" and asked and outcome == "limited":
            self._put_off(asked)
        elif epoch == self._epoch and self._state == "closed":
            self._count(error, outcome, asked, key, login=login, again=again)
        if outcome in ("limited", "away", "faltering"):
            left_seconds = math.ceil(self.retry_in_seconds())
            error.retry_after_seconds = max(left_seconds, int(asked or 0), FIRST_RETRY_SECONDS)
        if self._state != "closed" or outcome == "refused" or isinstance(error, UpstreamMalformed):
            error.recovery_seconds = self.recovery_seconds(asked)

    def _probed(self, error: UpstreamError, outcome: CallOutcome, asked: float | None) -> None:
        if outcome == "answered":
            self.close()
            return
        if outcome == "refused" and self._reason != "auth":
            self.close()  # it answers again; the next calls show whether it refuses all of them
            return
        self._reason = {"limited": "limit", "refused": "auth"}.get(outcome, "outage")
        open_for_seconds = (datetime.now(UTC) - self._since).total_seconds()
        self._reopen(pause_seconds(self._reason, open_for_seconds, asked), str(error), failed=True)

    def _count(
        self, error: UpstreamError, outcome: CallOutcome, asked: float | None, key: str, *, login: bool, again: bool
    ) -> None:
        if outcome == "answered":
            self._streak.answered(login=login)
        elif outcome == "refused":
            reason = self._streak.refused(error.operation, login=login or of_login(error))
            if reason:
                self._open(reason, pause_seconds(reason, 0.0, None), str(error))
        elif not again and (reason := self._streak.failed(outcome, key)):
            self._open(reason, pause_seconds(reason, 0.0, asked), str(error))

    def _open(self, reason: str, seconds: float, error: str) -> None:
        log.warning("breaker_opened", upstream=self.upstream, reason=reason, seconds=round(seconds, 1), error=error)
        self._since, self._failures, self._reason = datetime.now(UTC), 0, reason
        self._reopen(seconds, error)

    def _reopen(self, seconds: float, error: str, *, failed: bool = False) -> None:
        self._failures += failed
        self._error = error[:LONGEST_ERROR]
        self._retry_at = monotonic() + seconds
        self._turn("open")

    def _put_off(self, seconds: float) -> None:
        later = monotonic() + seconds
        if later > self._retry_at + 1:
            self._retry_at = later
            self._tell()

    def close(self, seconds_ago: float = 0.0) -> None:
        """Let calls through again, few at first."""
        log.warning("breaker_closed", upstream=self.upstream, reason=self._reason)
        self._outages_ended += 1
        self._turn("closed")
        self._since = datetime.now(UTC) - timedelta(seconds=seconds_ago)
        self._reason, self._error, self._failures = "", "", 0
        self.budget.start_slowly(seconds_ago)

    def _turn(self, state: BreakerState) -> None:
        self._state = state
        self._epoch += 1
        self._streak.clear()
        self._tell()

    def _tell(self) -> None:
        self.unsaved = True
        if self.claims:
            self.claims.changed()

    def adopt(
        self, shared: UpstreamAvailability, version: int, retry_in_seconds: float, probe_in_seconds: float
    ) -> None:
        """Adopt the shared state."""
        self.version = version
        before, self._state = self._state, shared.state
        now = monotonic()
        self._retry_at, self._probe_until = now + retry_in_seconds, now + probe_in_seconds
        self._since, self._failures = shared.since, shared.failures
        self._reason, self._error = shared.reason, shared.error
        if before == shared.state:
            return
        self._epoch += 1
        self._streak.clear()
        log.info("breaker_adopted", upstream=self.upstream, state=shared.state, reason=shared.reason)
        if shared.state == "closed":
            self._outages_ended += 1
            self.budget.start_slowly(max((datetime.now(UTC) - shared.since).total_seconds(), 0.0))
