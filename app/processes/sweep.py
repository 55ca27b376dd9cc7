"""What a worker process does by itself, without being told by a queue: side by side, so many of a kind at once, and
each for itself, so that one that fails or takes long holds up none of the others.
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
    """Run; what fails is counted and logged, and found again by the next sweep."""
    try:
        await run()
    except Exception as error:
        failures[kind, key] += 1
        told = {"kind": kind, "key": key, "failures": failures[kind, key], "error": repr(error)}
        if isinstance(error, Lost) or is_outage(error):
            log.error("work_postponed", **told)
        else:
            log.exception("work_failed", **told)
    else:
        failures.pop((kind, key), None)


class Own:
    """The work this process has taken on."""

    def __init__(self, at_once: Mapping[str, int], most_seconds: Mapping[str, float]) -> None:
        self._turns = {kind: asyncio.Semaphore(count) for kind, count in at_once.items()}
        self._most_seconds = most_seconds
        self._tasks: dict[tuple[str, str], asyncio.Task[None]] = {}
        self.failures: Failures = Counter()
        """How often each piece of work has failed since it last succeeded."""

    def start(self, kind: str, key: str, run: Callable[[], Awaitable[object]]) -> None:
        """Begin in the background, unless the same is under way here already."""
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
        """Wait for everything that is under way."""
        while self._tasks:
            await asyncio.wait(list(self._tasks.values()))

    async def stop(self) -> None:
        """Let go of everything; it is found again."""
        await tasks.end(*self._tasks.values(), within_seconds=1)
