"""Small facts that a process knows under a lease (`app/cache/lease.py`): read many at once, forgotten singly.

All who ask for the same thing share one answer. What is forgotten while it is being read is not kept, and who asks
after that asks anew.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Generic, TypeVar

from app.cache.batching import Batcher

Fact = TypeVar("Fact")


class ReadThrough(Generic[Fact]):
    """Facts by key, at most `most`; the one known for the longest time goes first. Absence is not remembered."""

    def __init__(self, read: Callable[[Sequence[str]], Awaitable[Mapping[str, Fact]]], most: int) -> None:
        async def read_all(keys: Sequence[str]) -> Mapping[str, Fact | None]:
            return {**dict.fromkeys(keys), **await read(keys)}

        self._together, self._most = Batcher(read_all), most
        self._facts: dict[str, Fact] = {}
        self._asked: dict[str, asyncio.Task[Fact | None]] = {}
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
        task = self._asked.get(key)
        if task is None:
            task = self._asked[key] = asyncio.create_task(self._together.ask(key))
            task.add_done_callback(lambda done: self._keep(key, done))
        return await asyncio.shield(task)

    def _keep(self, key: str, done: "asyncio.Task[Fact | None]") -> None:
        fact = None if done.cancelled() or done.exception() else done.result()
        if self._asked.get(key) is not done:
            return
        del self._asked[key]
        if fact is None:
            return
        while len(self._facts) >= self._most:
            del self._facts[next(iter(self._facts))]
        self._facts[key] = fact
