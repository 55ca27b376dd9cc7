"""What every HTTP call to the org goes through: the calls log, scripted faults, and errors in the vendor's shape."""

import asyncio
from collections.abc import Awaitable, Callable

from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response

from sandbox.salesforce.errors import SalesforceError
from sandbox.salesforce.ports import SalesforceWorld

UPSTREAM = "salesforce"
HANG_SECONDS = 300.0

_STATUS_CODES = {
    401: ("INVALID_SESSION_ID", "Session expired or invalid"),
    403: ("REQUEST_LIMIT_EXCEEDED", "TotalRequests Limit exceeded."),
    503: ("SERVER_UNAVAILABLE", "The server is temporarily unavailable."),
}


async def answer(
    world: SalesforceWorld, request: Request, operation: str, work: Callable[[], Awaitable[Response]]
) -> Response:
    """Log the call, apply the faults scripted for it around `work`, and answer."""
    agent = request.headers.get("user-agent", "")
    world.calls.record(UPSTREAM, operation, user_agent=agent, detail=f"{request.method} {request.url.path}")
    hang = False
    for fault in world.faults.take(UPSTREAM, operation):
        if fault.kind == "latency":
            await asyncio.sleep(fault.seconds)
        elif fault.kind == "status":
            return refusal(fault.status, fault.retry_after)
        elif fault.kind == "down":
            return HTMLResponse("<html><body>We are down for maintenance.</body></html>", 503)
        elif fault.kind == "timeout_after_write":
            hang = True
    response = await work()
    if hang:
        await _until_gone(request)
    return response


def refusal(status: int, retry_after: int = 0) -> Response:
    """An answer for a scripted status, and when to come back unless 0."""
    code, message = _STATUS_CODES.get(status, ("UNKNOWN_EXCEPTION", "An unexpected error occurred."))
    headers = {"retry-after": str(retry_after)} if retry_after else {}
    return JSONResponse([{"message": message, "errorCode": code}], status, headers)


def failure(error: SalesforceError) -> Response:
    """A refusal as REST answers it."""
    return JSONResponse(error.rest(), error.status)


async def _until_gone(request: Request) -> None:
    """Say nothing until the client gives up."""

    async def gone() -> None:
        while (await request.receive())["type"] != "http.disconnect":
            continue

    try:
        await asyncio.wait_for(gone(), HANG_SECONDS)
    except TimeoutError:
        return
