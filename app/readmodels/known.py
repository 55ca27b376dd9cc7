"""Small facts that a process knows under a lease (`app/readmodels/watch.py`): read many at once, forgotten singly.

All who ask in one turn of the event loop share one question, and all who ask for the same thing share one answer. What
is forgotten while it is being read is not kept, and who asks after that asks anew.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Generic, TypeVar

Fact = TypeVar("Fact")


class Known(Generic[Fact]):
    """Facts by key, at most `most`; the one known for the longest time goes first. Absence is not remembered."""

    def __init__(self, read: Callable[[Sequence[str]], Awaitable[Mapping[str, Fact]]], most: int) -> None:
        self._read_many, self._most = read, most
        self._facts: dict[str, Fact] = {}
        self._asked: dict[str, asyncio.Future[Fact | None]] = {}
        self._next: list[tuple[str, asyncio.Future[Fact | None]]] = []
        self._reading: set[asyncio.Task[None]] = set()
        self.get = self._facts.get

    def __len__(self) -> int:
        return len(self._facts)

    def forget(self, key: str) -> None:
        """It changed."""
        self._facts.pop(key, None)
        self._asked.pop(key, None)

    def forget_all(self) -> None:
        """Anything may have changed."""
        self._facts.clear()
        self._asked.clear()

    async def read(self, key: str) -> Fact | None:
        """The fact as it is now."""
        future = self._asked.get(key)
        if future is None:
            loop = asyncio.get_running_loop()
            future = self._asked[key] = loop.create_future()
            self._next.append((key, future))
            if len(self._next) == 1:
                loop.call_soon(self._begin)
        return await asyncio.shield(future)

    def _begin(self) -> None:
        wanted, self._next = self._next, []
        task = asyncio.create_task(self._answer(wanted))
        self._reading.add(task)
        task.add_done_callback(self._reading.discard)

    async def _answer(self, wanted: Sequence[tuple[str, "asyncio.Future[Fact | None]"]]) -> None:
        try:
            found = await self._read_many([key for key, _ in wanted])
        except Exception as error:
            for key, future in wanted:
                self._keep(key, future, None)
                future.set_exception(error)
                future.exception()  # whoever asked may have gone
            return
        for key, future in wanted:
            self._keep(key, future, found.get(key))
            future.set_result(found.get(key))

    def _keep(self, key: str, future: "asyncio.Future[Fact | None]", fact: Fact | None) -> None:
        if self._asked.get(key) is not future:
            return
        del self._asked[key]
        if fact is None:
            return
        while len(self._facts) >= self._most:
            del self._facts[next(iter(self._facts))]
        self._facts[key] = fact
