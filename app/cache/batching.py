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
        self._next: dict[Key, list[asyncio.Future[Answer]]] = {}
        self._reading: set[asyncio.Task[None]] = set()

    async def ask(self, key: Key) -> Answer:
        """The answer for one key."""
        loop = asyncio.get_running_loop()
        if not self._next:
            loop.call_soon(self._begin)
        own: asyncio.Future[Answer] = loop.create_future()
        self._next.setdefault(key, []).append(own)
        return await own

    def _begin(self) -> None:
        wanted, self._next = self._next, {}
        task = asyncio.create_task(self._answer(wanted))
        self._reading.add(task)
        task.add_done_callback(self._reading.discard)

    async def _answer(self, wanted: Mapping[Key, "list[asyncio.Future[Answer]]"]) -> None:
        try:
            found = await self._read(list(wanted))
        except Exception as error:
            for future in (each for futures in wanted.values() for each in futures if not each.done()):
                future.set_exception(error)
            return
        for key, futures in wanted.items():
            for future in futures:
                if not future.done():  # whoever asked may have gone
                    future.set_result(found[key])
