"""The work that a worker process finds by itself, without a queue.

Pieces of work run concurrently, with a limit per kind. One that fails or takes long does not delay the others.
"""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping

import structlog

from app import tasks
from app.db import is_outage
from app.leases import Lost

MOST_WAITING = 1_000

log = structlog.get_logger()


Failures = Counter[tuple[str, str]]


async def isolated(kind: str, key: str, run: Callable[[], Awaitable[object]], failures: Failures) -> None:
    """Run; a failure is counted and logged, and the next sweep finds the work again."""
    try:
        await run()
    except Exception as error:
        failures[kind, key] += 1
        fields = {"kind": kind, "key": key, "failures": failures[kind, key], "error": repr(error)}
        if isinstance(error, Lost) or is_outage(error):
            log.error("work_postponed", **fields)
        else:
            log.exception("work_failed", **fields)
    else:
        failures.pop((kind, key), None)


class OwnWork:
    """The work in progress in this process."""

    def __init__(self, at_once: Mapping[str, int], most_seconds: Mapping[str, float]) -> None:
        self._turns = {kind: asyncio.Semaphore(count) for kind, count in at_once.items()}
        self._most_seconds = most_seconds
        self._tasks: dict[tuple[str, str], asyncio.Task[None]] = {}
        self.failures: Failures = Counter()
        """Failures of each piece of work since it last succeeded."""

    def start(self, kind: str, key: str, run: Callable[[], Awaitable[object]]) -> None:
        """Start in the background, unless the same work is in progress here."""
        if (kind, key) in self._tasks or len(self._tasks) >= MOST_WAITING:
            return
        task = asyncio.create_task(self._in_turn(kind, key, run))
        self._tasks[kind, key] = task
        task.add_done_callback(lambda _: self._tasks.pop((kind, key), None))

    async def _in_turn(self, kind: str, key: str, run: Callable[[], Awaitable[object]]) -> None:
        async def bounded() -> None:
            async with asyncio.timeout(self._most_seconds[kind]):
                await run()

        async with self._turns[kind]:
            await isolated(kind, key, bounded, self.failures)

    async def done(self) -> None:
        """Wait for all work in progress."""
        while self._tasks:
            await asyncio.wait(list(self._tasks.values()))

    async def stop(self) -> None:
        """Cancel all work; another sweep finds it again."""
        await tasks.end(*self._tasks.values(), within_seconds=1)
