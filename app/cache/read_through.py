"""A read-through cache for small facts, valid under a lease (`app/cache/lease.py`).

Facts are read in batches and forgotten one by one. Concurrent callers share one read. A fact that is forgotten while it
is being read is not cached, and the next caller reads it again.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Generic, TypeVar

from app.cache.batching import Batcher

Fact = TypeVar("Fact")


class ReadThrough(Generic[Fact]):
    """Facts by key, at most `most`, oldest evicted first. Absence is not cached."""

    def __init__(self, read: Callable[[Sequence[str]], Awaitable[Mapping[str, Fact]]], most: int) -> None:
        async def read_all(keys: Sequence[str]) -> Mapping[str, Fact | None]:
            return {**dict.fromkeys(keys), **await read(keys)}

        self._batcher, self._most = Batcher(read_all), most
        self._facts: dict[str, Fact] = {}
        self._reading: dict[str, asyncio.Task[Fact | None]] = {}
        self.get = self._facts.get

    def __len__(self) -> int:
        return len(self._facts)

    def forget(self, key: str) -> None:
        """Drop a fact that changed."""
        self._facts.pop(key, None)
        self._reading.pop(key, None)

    def forget_all(self) -> None:
        """Drop all facts, because anything may have changed."""
        self._facts.clear()
        self._reading.clear()

    async def read(self, key: str) -> Fact | None:
        """Return the fact as it is now."""
        task = self._reading.get(key)
        if task is None:
            task = self._reading[key] = asyncio.create_task(self._batcher.load(key))
            task.add_done_callback(lambda done: self._keep(key, done))
        return await asyncio.shield(task)

    def _keep(self, key: str, done: "asyncio.Task[Fact | None]") -> None:
        fact = None if done.cancelled() or done.exception() else done.result()
        if self._reading.get(key) is not done:
            return
        del self._reading[key]
        if fact is None:
            return
        while len(self._facts) >= self._most:
            del self._facts[next(iter(self._facts))]
        self._facts[key] = fact
