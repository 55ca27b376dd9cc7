"""The end of background tasks."""

import asyncio
from typing import Any

import structlog

AGAIN_SECONDS = 1.0
"""The time a task has to clean up before it is cancelled again."""
END_SECONDS = 5.0

log = structlog.get_logger()


async def end(*tasks: "asyncio.Future[Any] | None", within_seconds: float = END_SECONDS) -> None:
    """Cancel until all are done. Once is not enough: some clients take a cancellation for their own timeout, and so did
    `asyncio.wait_for` before Python 3.12. Log a task that is not done in time, and leave it."""
    left = {task for task in tasks if task is not None and not task.done()}
    loop = asyncio.get_running_loop()
    ends_at = loop.time() + within_seconds
    while left and loop.time() < ends_at:
        for task in left:
            task.cancel()
        _, left = await asyncio.wait(left, timeout=min(AGAIN_SECONDS, ends_at - loop.time()))
    for task in left:
        log.error("task_does_not_end", task=repr(task))
