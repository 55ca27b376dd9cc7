"""The pace of background work: how much of the time it works, so that readers and live changes keep theirs."""

import asyncio
from collections.abc import AsyncIterator
from typing import TypeVar

from msgspec import Struct

T = TypeVar("T")


class Pace(Struct, frozen=True):
    """`share` of the time, between 0 and 1, that the work may take; 1 never pauses."""

    share: float = 1.0

    async def paced(self, work: AsyncIterator[T]) -> AsyncIterator[T]:
        """The same steps; after each, a pause as long as its own duration and the share demand."""
        clock = asyncio.get_running_loop().time
        started = clock()
        async for step in work:
            yield step
            if self.share < 1:
                await asyncio.sleep((clock() - started) * (1 - self.share) / self.share)
            started = clock()
