"""What every call to WHMCS, Freebit and WHM goes through: the calls log, and scripted faults around the work."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Sequence

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from sandbox import faults
from sandbox.faults import Fault
from sandbox.ports import World

HANG_SECONDS = 300.0
ABORT = "sandbox.abort"
"""The extension of an HTTP scope that closes the connection without an answer."""
DOWN_PAGE = "<html><body><h1>503 Service Unavailable</h1></body></html>"
NOTICE = (
    "<br />\n<b>Notice</b>: Undefined variable: brand in <b>/var/www/includes/hooks/brand.php</b> on line <b>12</b>"
)


class Unanswered(Exception):
    """The connection ends without an answer."""


async def answer(
    world: World, request: Request, upstream: str, operation: str, work: Callable[[], Awaitable[Response]]
) -> Response:
    """Log the call, meet the faults scripted for it, do the work, answer as the faults allow."""
    agent = request.headers.get("user-agent", "")
    world.calls.record(upstream, operation, user_agent=agent, detail=f"{request.method} {request.url.path}")
    taken = world.faults.take(upstream, operation)
    if (instead := await _before(request, taken)) is not None:
        return instead
    response = await work()
    return await _after(request, taken, response)


async def _delay(taken: Sequence[Fault]) -> None:
    for fault in taken:
        if fault.kind == faults.LATENCY:
            await asyncio.sleep(fault.seconds)


async def _before(request: Request, taken: Sequence[Fault]) -> Response | None:
    """Faults that keep the work from being done."""
    kinds = {fault.kind: fault for fault in taken}
    if faults.DOWN in kinds:
        return HTMLResponse(DOWN_PAGE, 503, {"connection": "close"})
    await _delay(taken)
    if faults.STATUS in kinds:
        fault = kinds[faults.STATUS]
        headers = {"retry-after": str(fault.retry_after)} if fault.retry_after else {}
        return HTMLResponse(f"<html><body><h1>Error {fault.status}</h1></body></html>", fault.status, headers)
    if faults.TIMEOUT in kinds:
        await until_gone(request)
    if faults.RESET in kinds:
        await abort(request)
    return None


async def _after(request: Request, taken: Sequence[Fault], response: Response) -> Response:
    """Faults that spoil the answer to work that is done."""
    kinds = {fault.kind for fault in taken}
    if faults.TIMEOUT_AFTER_WRITE in kinds:
        await until_gone(request)
    if faults.GARBAGE in kinds:
        return Response(NOTICE.encode() + bytes(response.body), response.status_code, media_type="text/html")
    if faults.EMPTY in kinds:
        return Response(b"", response.status_code)
    return response


async def until_gone(request: Request) -> None:
    """Say nothing until the client gives up.

    Raises:
        Unanswered: always.
    """

    async def gone() -> None:
        while (await request.receive())["type"] != "http.disconnect":
            continue

    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(gone(), HANG_SECONDS)
    await abort(request)


async def abort(request: Request) -> None:
    """Cut the connection.

    Raises:
        Unanswered: always.
    """
    cut = request.scope.get("extensions", {}).get(ABORT)
    if cut is not None:
        cut()
        # The server notes the loss on a later turn of the loop; until then it would try to answer with a 500.
        await asyncio.sleep(0.01)
    raise Unanswered
