"""One read for all callers of one turn of the event loop.

Nothing is cached: the answer is newer than the call.
"""

import asyncio
from collections.abc import Awaitable, Callable, Hashable, Mapping, Sequence
from typing import Generic, TypeVar

KeyT = TypeVar("KeyT", bound=Hashable)
AnswerT = TypeVar("AnswerT")


class Batcher(Generic[KeyT, AnswerT]):
    """Collects keys and reads them with one call of `read`, which answers every one of them."""

    def __init__(self, read: Callable[[Sequence[KeyT]], Awaitable[Mapping[KeyT, AnswerT]]]) -> None:
        self._read = read
        self._next: dict[KeyT, list[asyncio.Future[AnswerT]]] = {}
        self._reading: set[asyncio.Task[None]] = set()

    async def load(self, key: KeyT) -> AnswerT:
        """Return the answer for one key."""
        loop = asyncio.get_running_loop()
        if not self._next:
            loop.call_soon(self._begin)
        own: asyncio.Future[AnswerT] = loop.create_future()
        self._next.setdefault(key, []).append(own)
        return await own

    def _begin(self) -> None:
        wanted, self._next = self._next, {}
        task = asyncio.create_task(self._answer(wanted))
        self._reading.add(task)
        task.add_done_callback(self._reading.discard)

    async def _answer(self, wanted: Mapping[KeyT, "list[asyncio.Future[AnswerT]]"]) -> None:
        try:
            found = await self._read(list(wanted))
        except Exception as error:
            for future in (each for futures in wanted.values() for each in futures if not each.done()):
                future.set_exception(error)
            return
        for key, futures in wanted.items():
            for future in futures:
                if not future.done():  # the caller may have been cancelled
                    future.set_result(found[key])
