"""The event stream: an account hears what changed, as server-sent events, and resumes where it was cut off.

A stream holds a version and nothing else; what it sends it reads from the notices when it is woken. So there are no
buffers to overflow, a client that reads too slowly is cut off, and `Last-Event-ID` brings back what it missed.
"""

import asyncio
import contextlib
from collections.abc import AsyncGenerator
from typing import Annotated, Any

import msgspec
from litestar import Request, get
from litestar.datastructures import State
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import HeaderParameter
from litestar.types import ASGIApp, Receive, Scope, Send

from app.commands import sessions
from app.commands.context import Actor, Context
from app.http.doorbells import Doorbells
from app.http.inputs import Caller
from app.queries import news
from app.readmodels.table import GLOBAL_ACCOUNT

HEARTBEAT_SECONDS = 15.0
POLL_SECONDS = 3.0
"""How often a stream looks while Redis is away."""
EVENTS_A_SEND = 500
SEND_SECONDS = 20.0
"""A client that does not take a chunk for so long is cut off."""
HEADERS = (
    (b"content-type", b"text/event-stream"),
    (b"cache-control", b"no-store"),
    (b"x-accel-buffering", b"no"),
)
EXAMPLE = 'id: 42\nevent: invoice.changed\ndata: {"id":"1003","version":42}\n\n'

LastEventId = Annotated[
    str | None,
    HeaderParameter(name="Last-Event-ID", description="Resume behind this event.", pattern=r"^\d{1,18}$"),
]


class Changed(msgspec.Struct, frozen=True):
    """The data of an event: what to read again, and the account's version that changed it."""

    id: str
    version: int


@get(
    "/api/events",
    summary="What changes, as it changes",
    tags=["Events"],
    media_type="text/event-stream",
    responses={
        200: ResponseSpec(
            Changed, generate_examples=False, media_type="text/event-stream", description=f"For example: `{EXAMPLE!r}`"
        )
    },
)
async def events(request: Request[Any, Any, State], actor: Caller, last_event_id: LastEventId = None) -> ASGIApp:
    """Server-sent events `order.changed`, `invoice.changed`, `subscription.changed`, `payment_method.changed`,
    `profile.changed`, `eligibility.changed`, `case.changed`, `catalog.changed`. `reset` says that events were lost:
    read anew what you show. The stream ends with its session; reconnect with `Last-Event-ID`."""
    state, account_id = request.app.state, actor.account_id_or_refuse()
    state.doorbells.refuse_if_full(account_id)
    start = int(last_event_id) if last_event_id else await state.bulletin.now(account_id)
    return _Feed(state.context, state.bulletin, state.doorbells, actor, start)


class _Feed:
    """One client's stream, as an ASGI response: only so can a send be given up."""

    def __init__(
        self, context: Context, bulletin: news.Bulletin, doorbells: Doorbells, actor: Actor, version: int
    ) -> None:
        self._context, self._bulletin, self._doorbells, self._actor = context, bulletin, doorbells, actor
        self._account_id = actor.account_id_or_refuse()
        self._version, self._catalog_version = version, 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send until the session or the process ends, the client goes, or does not keep up."""
        await send({"type": "http.response.start", "status": 200, "headers": HEADERS})
        sending = asyncio.create_task(self._send_all(send))
        leaving = asyncio.create_task(_left(receive))
        try:
            await asyncio.wait([sending, leaving], return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (sending, leaving):
                task.cancel()
            await asyncio.gather(sending, leaving, return_exceptions=True)

    async def _send_all(self, send: Send) -> None:
        async with contextlib.aclosing(self._chunks()) as chunks:
            async for chunk in chunks:
                async with asyncio.timeout(SEND_SECONDS):
                    await send({"type": "http.response.body", "body": chunk, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _chunks(self) -> AsyncGenerator[bytes, None]:
        clock = asyncio.get_running_loop().time
        self._catalog_version = await self._bulletin.now(GLOBAL_ACCOUNT)
        with self._doorbells.at(self._account_id) as rung:
            yield b": welcome\nretry: 2000\n\n"
            checked_at = clock()
            while not self._doorbells.closing:
                if chunks := await self._changes():
                    for start in range(0, len(chunks), EVENTS_A_SEND):
                        yield b"".join(chunks[start : start + EVENTS_A_SEND])
                    continue
                await self._wait(rung)
                if clock() - checked_at > HEARTBEAT_SECONDS:
                    checked_at = clock()
                    if not await sessions.is_open(self._context.pool, self._context.settings, self._actor.session_id):
                        return
                    yield b": still here\n\n"

    async def _wait(self, rung: asyncio.Event) -> None:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(rung.wait(), HEARTBEAT_SECONDS if self._doorbells.hears else POLL_SECONDS)
        rung.clear()

    async def _changes(self) -> list[bytes]:
        own = await self._bulletin.since(self._account_id, self._version)
        shared = await self._bulletin.since(GLOBAL_ACCOUNT, self._catalog_version)
        self._version, self._catalog_version = own.version, shared.version
        if own.lost:
            return [b"id: %d\nevent: reset\ndata: {}\n\n" % own.version]
        last = {event.version: number for number, event in enumerate(own.events)}
        chunks = [_chunk(each, marked=last[each.version] == n) for n, each in enumerate(own.events)]
        names = dict.fromkeys(event.name for event in shared.events)
        return chunks + [b"event: %s\ndata: {}\n\n" % name.encode() for name in names]


def _chunk(event: news.Event, *, marked: bool) -> bytes:
    """Only the last event of a version carries its id, so that a resumption repeats an event and never skips one."""
    mark = b"id: %d\n" % event.version if marked else b""
    return mark + b"event: %s\ndata: %s\n\n" % (
        event.name.encode(),
        msgspec.json.encode(Changed(event.id, event.version)),
    )


async def _left(receive: Receive) -> None:
    """Until the client has gone."""
    while (await receive())["type"] != "http.disconnect":
        pass


ROUTES = (events,)
