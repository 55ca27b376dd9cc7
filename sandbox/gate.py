"""What every HTTP call to WHMCS, Freebit and WHM goes through: the calls log and scripted faults."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from sandbox.faults import DOWN, EMPTY, GARBAGE, LATENCY, RESET, TIMEOUT, TIMEOUT_AFTER_WRITE

HANG_SECONDS = 300.0


async def answer(
    world: Any, upstream: str, request: Request, operation: str, work: Callable[[], Awaitable[Response]]
) -> Response:
    """Log the call, apply its faults around `work`, and answer."""
    world.calls.record(upstream, operation, user_agent=request.headers.get("user-agent", ""))
    hang = False
    for fault in world.faults.take(upstream, operation):
        if fault.kind == LATENCY:
            await asyncio.sleep(fault.seconds)
        elif fault.kind == TIMEOUT_AFTER_WRITE:
            hang = True
        elif fault.kind in (TIMEOUT, RESET):
            await _until_gone(request)
            return Response(status_code=504)
        elif fault.kind in (GARBAGE, EMPTY):
            return HTMLResponse(
                "<html><body>Oops! Something went wrong.</body></html>" if fault.kind == GARBAGE else ""
            )
        else:
            return HTMLResponse(
                "<html><body>Service unavailable</body></html>", 503 if fault.kind == DOWN else fault.status
            )
    response = await work()
    if hang:
        await _until_gone(request)
    return response


async def _until_gone(request: Request) -> None:
    """The work is done, and nobody is told: say nothing until the client gives up."""

    async def gone() -> None:
        while (await request.receive())["type"] != "http.disconnect":
            continue

    try:
        await asyncio.wait_for(gone(), HANG_SECONDS)
    except TimeoutError:
        return
