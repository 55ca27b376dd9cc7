"""The gate that every HTTP call to an upstream passes: the call log, and the faults around the work."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Protocol

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response, StreamingResponse

from sandbox.calls import Calls
from sandbox.faults import scripted
from sandbox.faults.rewrites import rewritten
from sandbox.faults.scripted import Fault, Faults

HANG_SECONDS = 300.0
ABORT = "sandbox.abort"
"""The extension of an HTTP scope that closes the connection without an answer."""
DOWN_PAGE = "<html><body><h1>503 Service Unavailable</h1></body></html>"
NOTICE = (
    "<br />\n<b>Notice</b>: Undefined variable: brand in <b>/var/www/includes/hooks/brand.php</b> on line <b>12</b>"
)


class Gated(Protocol):
    """The part of the world that every call needs."""

    @property
    def calls(self) -> Calls:
        """The call log."""

    @property
    def faults(self) -> Faults:
        """The source of faults."""


class Unanswered(Exception):
    """The connection is closed without an answer."""


def page_of_status(status: int) -> Response:
    """Return the page that a web server or proxy shows for a status."""
    return HTMLResponse(f"<html><body><h1>Error {status}</h1></body></html>", status)


async def answer(
    world: Gated,
    request: Request,
    upstream: str,
    operation: str,
    work: Callable[[], Awaitable[Response]],
    refusal: Callable[[int], Response] = page_of_status,
) -> Response:
    """Log the call, apply its faults, do the work and return the answer.

    `refusal` is how the upstream itself would answer with a status.
    """
    agent = request.headers.get("user-agent", "")
    world.calls.record(upstream, operation, user_agent=agent, detail=f"{request.method} {request.url.path}")
    taken = world.faults.take(upstream, operation)
    if (instead := await _before(request, taken, refusal)) is not None:
        return instead
    response = await work()
    return await _after(request, taken, response)


async def _delay(taken: Sequence[Fault]) -> None:
    for fault in taken:
        if fault.kind == scripted.LATENCY:
            await asyncio.sleep(fault.seconds)


async def _before(request: Request, taken: Sequence[Fault], refusal: Callable[[int], Response]) -> Response | None:
    """Apply the faults that keep the work from being done. Return the answer that replaces it, if any."""
    kinds = {fault.kind: fault for fault in taken}
    if scripted.DOWN in kinds:
        page = HTMLResponse(DOWN_PAGE, 503, {"connection": "close"})
        return _later(page, kinds[scripted.DOWN].retry_after)
    await _delay(taken)
    if scripted.STATUS in kinds:
        fault = kinds[scripted.STATUS]
        shown = page_of_status if fault.page else refusal
        return _later(shown(fault.status), fault.retry_after)
    if scripted.REDIRECT in kinds:
        fault = kinds[scripted.REDIRECT]
        status = fault.status if 300 <= fault.status < 400 else 302
        return Response(status_code=status, headers={"location": fault.location})
    if scripted.TIMEOUT in kinds:
        await until_gone(request)
    if scripted.RESET in kinds:
        await abort(request)
    return None


def _later(response: Response, retry_after: str) -> Response:
    if retry_after:
        response.headers["retry-after"] = retry_after
    return response


async def _after(request: Request, taken: Sequence[Fault], response: Response) -> Response:
    """Apply the faults that spoil the answer to work that is done."""
    kinds = {fault.kind: fault for fault in taken}
    if scripted.TIMEOUT_AFTER_WRITE in kinds:
        await until_gone(request)
    if scripted.GARBAGE in kinds:
        return Response(NOTICE.encode() + bytes(response.body), response.status_code, media_type="text/html")
    if scripted.EMPTY in kinds:
        return Response(b"", response.status_code)
    for fault in taken:
        if fault.kind == scripted.REWRITE:
            response = _rewrite(response, fault)
        if fault.kind == scripted.HEADERS:
            _set_headers(response, fault.headers)
    return _dripping(response, kinds[scripted.DRIP].rate) if scripted.DRIP in kinds else response


def _rewrite(response: Response, fault: Fault) -> Response:
    """Replace the bytes of the answer and leave everything else as it was."""
    body = rewritten(
        bytes(response.body), fault.how, find=fault.find, replace=fault.replace, names=fault.field, text=fault.text
    )
    spoilt = Response(body, fault.status or response.status_code)
    for name, value in response.headers.items():
        if name != "content-length":
            spoilt.headers[name] = value
    if fault.how == "html":
        spoilt.headers["content-type"] = "text/html; charset=utf-8"
    return spoilt


def _set_headers(response: Response, headers: dict[str, str]) -> None:
    for name, value in headers.items():
        if value:
            response.headers[name] = value
        elif name in response.headers:
            del response.headers[name]


def _dripping(response: Response, rate: float) -> Response:
    """Send the same answer byte by byte."""

    async def drops() -> AsyncIterator[bytes]:
        for place in range(len(response.body)):
            await asyncio.sleep(1 / rate)
            yield bytes(response.body[place : place + 1])

    return StreamingResponse(drops(), response.status_code, dict(response.headers))


async def until_gone(request: Request) -> None:
    """Send nothing until the client gives up.

    Raises:
        Unanswered: always.
    """

    async def gone() -> None:
        while (await request.receive())["type"] != "http.disconnect":
            continue

    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(HANG_SECONDS):
            await gone()
    await abort(request)


async def abort(request: Request) -> None:
    """Close the connection.

    Raises:
        Unanswered: always.
    """
    cut = request.scope.get("extensions", {}).get(ABORT)
    if cut is not None:
        cut()
        # The server notes the loss on a later turn of the loop; until then it would try to answer with a 500.
        await asyncio.sleep(0.01)
    raise Unanswered
