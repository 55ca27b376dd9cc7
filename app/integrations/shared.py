"""A shared value that costs a call, such as a token: one caller fetches it while all others wait for that attempt."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

T = TypeVar("T")


def _always(_: object) -> bool:
    return True


class SharedValue(Generic[T]):
    """Holds the value of `fetch` until it is refused or no longer fresh.

    Waiters share the attempt's failure too: an upstream that hangs costs every caller one time-out, not one after
    another.
    """

    def __init__(self, fetch: Callable[[], Awaitable[T]], fresh: Callable[[T], bool] = _always) -> None:
        self._fetch = fetch
        self._fresh = fresh
        self._held: T | None = None
        self._attempt: asyncio.Task[T] | None = None

    async def get(self, refused: T | None = None) -> T:
        """Return the value; fetch a new one if it is `refused`, too old or missing. Raises what `fetch` raises."""
        held = self._held
        if held is not None and held != refused and self._fresh(held):
            return held
        if held is not None and held == refused:
            self._held = None  # so that the other callers are not refused as well
        if self._attempt is None:
            self._attempt = asyncio.create_task(self._renew())
            self._attempt.add_done_callback(_noticed)
        return await asyncio.shield(self._attempt)

    async def close(self) -> None:
        """Stop a running attempt."""
        if self._attempt is not None:
            self._attempt.cancel()

    async def _renew(self) -> T:
        try:
            self._held = await self._fetch()
            return self._held
        finally:
            self._attempt = None


def _noticed(attempt: "asyncio.Task[T]") -> None:
    """Retrieve the failure: if every waiter was cancelled, asyncio would report that it was never retrieved."""
    if not attempt.cancelled():
        attempt.exception()
