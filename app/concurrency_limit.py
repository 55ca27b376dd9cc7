"""A limit of concurrent work in a process, with a limit per holder, so that no holder can take all slots."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from app.errors import Overloaded
from app.words.sentence import say

WAIT_SECONDS = 5.0


class ConcurrencyLimit:
    """A concurrency limit, in all and per holder.

    A holder at its own limit waits for its own slots to become free, and does not delay others meanwhile.
    """

    def __init__(self, total: int, per_holder: int, wait_seconds: float = WAIT_SECONDS) -> None:
        self._free, self._per_holder, self._wait_seconds = asyncio.Semaphore(total), per_holder, wait_seconds
        self._own: dict[str, asyncio.Semaphore] = {}
        self._users: Counter[str] = Counter()

    @asynccontextmanager
    async def slot(self, holder: str) -> AsyncIterator[None]:
        """Hold a slot for as long as the block runs.

        Raises:
            Overloaded: `server_busy`, none became free in time.
        """
        own = self._own.setdefault(holder, asyncio.Semaphore(self._per_holder))
        self._users[holder] += 1
        try:
            await self._wait(own)
            try:
                yield
            finally:
                self._free.release()
                own.release()
        finally:
            self._users[holder] -= 1
            if not self._users[holder]:
                del self._users[holder], self._own[holder]

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
            sentence = say("problems.server_busy")
            raise Overloaded(sentence, code="server_busy") from error
