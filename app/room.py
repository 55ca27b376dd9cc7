"""A bounded number of places in a process, with a limit per holder, so that no holder can take them all."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from app.errors import Overloaded

WAIT_SECONDS = 5.0


class Room:
    """A concurrency limit in all and per holder.

    A holder at its own limit waits for its own places to become free, and does not delay others meanwhile.
    """

    def __init__(self, in_all: int, each: int, wait_seconds: float = WAIT_SECONDS) -> None:
        self._free, self._each, self._wait_seconds = asyncio.Semaphore(in_all), each, wait_seconds
        self._own: dict[str, asyncio.Semaphore] = {}
        self._here: Counter[str] = Counter()

    @asynccontextmanager
    async def place(self, holder: str) -> AsyncIterator[None]:
        """Hold a place for as long as the block runs.

        Raises:
            Overloaded: `server_busy`, none became free in time.
        """
        own = self._own.setdefault(holder, asyncio.Semaphore(self._each))
        self._here[holder] += 1
        try:
            await self._wait(own)
            try:
                yield
            finally:
                self._free.release()
                own.release()
        finally:
            self._here[holder] -= 1
            if not self._here[holder]:
                del self._here[holder], self._own[holder]

    async def _wait(self, own: asyncio.Semaphore) -> None:
        try:
            async with asyncio.timeout(self._wait_seconds):
                await own.acquire()
                try:
                    await self._free.acquire()
                except BaseException:
                    own.release()
                    raise
        except TimeoutError as error:
            sentence = "We are very busy at the moment. Please try again in a few seconds."
            raise Overloaded(sentence, code="server_busy") from error
