"""Rate limit for calls to an upstream: a token bucket that reserves a share for customers and starts slowly."""

import asyncio
from time import monotonic

CUSTOMERS_SHARE = 0.3
"""Share of the bucket that background work never takes."""
START_PER_SECOND = 10.0
DOUBLES_SECONDS = 1.0
"""After an outage the rate starts low and doubles at this interval: a backlog must not overload the upstream again."""
RETRY_SHARE = 0.1
MOST_RETRIES = 10.0
FIRST_RETRIES = 4.0
CUSTOMER_WAIT_SECONDS = 5.0
BACKGROUND_WAIT_SECONDS = 20.0


class Budget:
    """One process's share of an upstream's calls per second. `sharers` is the number of processes that call it now."""

    def __init__(self, calls_per_second: float) -> None:
        self._per_second = max(calls_per_second, 0.1)
        self.sharers = 1
        self._started_at = float("-inf")
        self._filled_at = monotonic()
        self._tokens = self._capacity
        self._retries = FIRST_RETRIES
        self.used_at = float("-inf")

    @property
    def _capacity(self) -> float:
        return max(self._rate(monotonic()), 1.0)

    def _rate(self, now: float) -> float:
        full = self._per_second / max(self.sharers, 1)
        doublings = min((now - self._started_at) / DOUBLES_SECONDS, 30.0)
        return min(full, START_PER_SECOND / max(self.sharers, 1) * 2**doublings)

    def start_slowly(self, seconds_ago: float = 0.0) -> None:
        """Restart the slow start, for an upstream that came back that long ago."""
        self._started_at = monotonic() - seconds_ago
        self._tokens = min(self._tokens, self._capacity)

    async def take(self, *, background: bool) -> bool:
        """Take one call, waiting if necessary; False if the wait would be too long."""
        wait_seconds = BACKGROUND_WAIT_SECONDS if background else CUSTOMER_WAIT_SECONDS
        deadline = monotonic() + wait_seconds
        while (missing := self._missing(background)) > 0:
            pause = max(missing / self._rate(monotonic()), 0.01)
            if monotonic() + pause > deadline:
                return False
            await asyncio.sleep(min(pause, 1.0))
        self._tokens -= 1
        self._retries = min(self._retries + RETRY_SHARE, MOST_RETRIES)
        self.used_at = monotonic()
        return True

    def take_retry(self) -> bool:
        """Take one retry: retries add at most a tenth to the number of calls."""
        if self._retries < 1:
            return False
        self._retries -= 1
        return True

    def _missing(self, background: bool) -> float:
        now, capacity = monotonic(), self._capacity
        self._tokens = min(self._tokens + (now - self._filled_at) * self._rate(now), capacity)
        self._filled_at = now
        needed = min(1 + CUSTOMERS_SHARE * capacity, capacity) if background else 1.0
        return needed - self._tokens
