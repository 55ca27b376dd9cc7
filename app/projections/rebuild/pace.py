"""The pace of background work: the share of time it works, so that it does not slow readers and live changes."""

import asyncio
from collections.abc import AsyncIterator
from typing import TypeVar

from msgspec import Struct

T = TypeVar("T")


class Pace(Struct, frozen=True):
    """A pace. `share`: part of the time, between 0 and 1, that the work may take; 1 never pauses."""

    share: float = 1.0

    async def paced(self, work: AsyncIterator[T]) -> AsyncIterator[T]:
        """Yield the same steps, with a pause after each that keeps the share."""
        clock = asyncio.get_running_loop().time
        started = clock()
        async for step in work:
            yield step
            if self.share < 1:
                await asyncio.sleep((clock() - started) * (1 - self.share) / self.share)
            started = clock()
