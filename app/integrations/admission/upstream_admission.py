"""Admission control for one upstream in one process: circuit breaker, budget and limit on background work."""

import asyncio
import math
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from time import monotonic

from app.errors import UpstreamBusy, UpstreamError, UpstreamUnreached
from app.integrations.admission import call_log
from app.integrations.admission.breaker import Breaker
from app.integrations.admission.budgets import BACKGROUND_WAIT_SECONDS, Budget
from app.integrations.admission.priority import in_background

PROBE_SECONDS = 15.0
"""How long the probing process may take before another one may probe."""
BACKGROUND_SLOTS_SHARE = 2 / 3


class UpstreamAdmission(Breaker):
    """Admits calls while the breaker is closed and the budget lasts. Without `claims` it decides alone."""

    def __init__(self, upstream: str, *, calls_per_second: float, concurrency: int) -> None:
        super().__init__(upstream, Budget(calls_per_second))
        self._background = asyncio.Semaphore(max(int(concurrency * BACKGROUND_SLOTS_SHARE), 1))
        self._claiming = False

    @asynccontextmanager
    async def admitted(
        self, operation: str, *, key: str = "", login: bool = False, again: bool = False
    ) -> AsyncIterator[None]:
        """Admit one call, made inside the block; its outcome updates the breaker.

        `key` identifies calls for the same thing. `login`: the call fetches credentials and does nothing with them.
        `again`: it repeats a call that was counted already.

        Raises:
            UpstreamUnreached, UpstreamBusy: the breaker is open, or the budget is spent; nothing was sent.
        """
        with call_log.call(self.upstream, operation):
            async with self._admitted(operation, key, login=login, again=again):
                yield

    @asynccontextmanager
    async def _admitted(self, operation: str, key: str, *, login: bool, again: bool) -> AsyncIterator[None]:
        behind = in_background()
        if behind:
            await self._wait_in_line(operation)
        try:
            probe = await self._enter(operation, behind)
            epoch, ended = self._epoch, self._outages_ended
            try:
                yield
            except UpstreamError as error:
                self._failed(error, epoch, probe, key or operation, login=login, again=again)
                raise
            except BaseException:
                if probe and epoch == self._epoch:  # no outcome: another process may probe
                    self._reopen(0.5, self._error)
                raise
            if probe and (epoch == self._epoch or self._is_news(ended)):
                self.close()
            elif epoch == self._epoch:
                self._streak.answered(login=login)
        finally:
            if behind:
                self._background.release()

    def may_retry(self) -> bool:
        """Return true if a failed read may be repeated at once: only while the breaker is closed, and rarely."""
        return self._state == "closed" and self.budget.take_retry()

    async def _wait_in_line(self, operation: str) -> None:
        try:
            async with asyncio.timeout(BACKGROUND_WAIT_SECONDS):
                await self._background.acquire()
        except TimeoutError as error:
            raise UpstreamBusy(
                self.upstream, operation, "no slot for background work", vendor_code="no_slot"
            ) from error

    async def _enter(self, operation: str, behind: bool) -> bool:
        """Wait for admission; True if this call is the probe."""
        if self._state != "closed" and await self._claim():
            return True
        if self._state != "closed":
            raise self._refusal(operation)
        if not await self.budget.take(background=behind):
            raise UpstreamBusy(
                self.upstream, operation, "over budget", vendor_code="over_budget", retry_after_seconds=5
            )
        if self._state != "closed":  # meanwhile
            raise self._refusal(operation)
        return False

    def _refusal(self, operation: str) -> UpstreamError:
        kind = UpstreamBusy if self._reason == "limit" else UpstreamUnreached
        seconds = max(math.ceil(self.retry_in_seconds()), 1)
        refusal = kind(self.upstream, operation, self._error, vendor_code="breaker_open", retry_after_seconds=seconds)
        refusal.recovery_seconds = self.recovery_seconds()
        return refusal

    async def _claim(self) -> bool:
        now = monotonic()
        due = self._probe_until if self._state == "half_open" else self._retry_at
        if self._claiming or now < due:
            return False
        self._claiming = True
        try:
            granted = await self.claims.claim(self) if self.claims else None
        finally:
            self._claiming = False
        if granted is False or self._state == "closed":
            return False
        self._state, self._probe_until = "half_open", monotonic() + PROBE_SECONDS
        self._epoch += 1
        return True
