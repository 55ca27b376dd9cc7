"""Background tasks: started, ended within a bound, and logged when they fail."""

import asyncio
from collections.abc import Coroutine
from typing import Any

import structlog

AGAIN_SECONDS = 1.0
"""Time for a task to clean up before it is cancelled again."""
END_SECONDS = 5.0

log = structlog.get_logger()


async def end(*tasks: "asyncio.Future[Any] | None", within_seconds: float = END_SECONDS) -> None:
    """Cancel tasks until all are done; log one that is not done in time, and leave it.

    One cancellation is not enough: some clients mistake it for their own timeout, as `asyncio.wait_for` did before
    Python 3.12.
    """
    left = {task for task in tasks if task is not None and not task.done()}
    loop = asyncio.get_running_loop()
    ends_at = loop.time() + within_seconds
    while left and loop.time() < ends_at:
        for task in left:
            task.cancel()
        _, left = await asyncio.wait(left, timeout=min(AGAIN_SECONDS, ends_at - loop.time()))
    for task in left:
        log.error("task_does_not_end", task=repr(task))


class Background:
    """One background task of an object that opens and closes. Its failure is logged under `name` as soon as it ends."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._task: asyncio.Task[None] | None = None

    def start(self, work: Coroutine[Any, Any, None]) -> None:
        """Run the work until it is done or `close` is called."""
        self._task = asyncio.create_task(work, name=self._name)
        self._task.add_done_callback(self._log_failure)

    async def close(self, within_seconds: float = END_SECONDS) -> None:
        """End the task; do nothing when none was started."""
        await end(self._task, within_seconds=within_seconds)

    def _log_failure(self, done: "asyncio.Task[None]") -> None:
        if not done.cancelled() and (error := done.exception()) is not None:
            log.error("background_task_failed", task=self._name, exc_info=error)
