"""Work that everybody who asks at the same time shares."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class SingleFlight(Generic[T]):
    """One piece of work. Whoever asks while it is done gets the same result; it goes on when some of them leave."""

    def __init__(self, work: Callable[[], Awaitable[T]]) -> None:
        self._work = work
        self._task: asyncio.Task[T] | None = None

    async def result(self) -> T:
        """What it gives, or raises."""
        if self._task is None or self._task.done():
            self._task = asyncio.ensure_future(self._do())
        return await asyncio.shield(self._task)

    async def _do(self) -> T:
        return await self._work()
