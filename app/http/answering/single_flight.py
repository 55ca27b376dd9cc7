"""Single flight: concurrent callers share one run of some work."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class SingleFlight(Generic[T]):
    """Runs work once for all concurrent callers. It is not cancelled when some of them go away."""

    def __init__(self, work: Callable[[], Awaitable[T]]) -> None:
        self._work = work
        self._task: asyncio.Task[T] | None = None

    async def result(self) -> T:
        """Return the result of the current run, or start one."""
        if self._task is None or self._task.done():
            self._task = asyncio.ensure_future(self._do())
        return await asyncio.shield(self._task)

    async def _do(self) -> T:
        return await self._work()
