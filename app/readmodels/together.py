"""One question for all who ask in one turn of the event loop. Nothing is kept: the answer is newer than the asking."""

import asyncio
from collections.abc import Awaitable, Callable, Hashable, Mapping, Sequence
from typing import Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)
Answer = TypeVar("Answer")


class Together(Generic[Key, Answer]):
    """Asks `read` for many keys at once; it answers every one of them."""

    def __init__(self, read: Callable[[Sequence[Key]], Awaitable[Mapping[Key, Answer]]]) -> None:
        self._read = read
        self._next: dict[Key, asyncio.Future[Answer]] = {}
        self._reading: set[asyncio.Task[None]] = set()

    async def ask(self, key: Key) -> Answer:
        """The answer for one key."""
        future = self._next.get(key)
        if future is None:
            loop = asyncio.get_running_loop()
            if not self._next:
                loop.call_soon(self._begin)
            future = self._next[key] = loop.create_future()
        return await asyncio.shield(future)

    def _begin(self) -> None:
        wanted, self._next = self._next, {}
        task = asyncio.create_task(self._answer(wanted))
        self._reading.add(task)
        task.add_done_callback(self._reading.discard)

    async def _answer(self, wanted: Mapping[Key, "asyncio.Future[Answer]"]) -> None:
        try:
            found = await self._read(list(wanted))
        except Exception as error:
            for future in wanted.values():
                future.set_exception(error)
                future.exception()  # whoever asked may have gone
            return
        for key, future in wanted.items():
            future.set_result(found[key])
