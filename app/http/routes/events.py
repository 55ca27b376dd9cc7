"""The event stream: server-sent events about an account's changes, which a client can resume.

A stream holds a position and nothing else; when it is woken it reads from the notices what to send. So there are no
buffers to overflow, a client that reads too slowly is cut off, and `Last-Event-ID` brings back what it missed. A
position is two versions, of the account and of what all accounts share, so that changes of either are resumed.
"""

import asyncio
import contextlib
import functools
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractContextManager
from typing import Annotated
from uuid import UUID

import msgspec
from litestar import get
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import HeaderParameter
from litestar.types import ASGIApp, Receive, Scope, Send

from app.commands.identity.sessions import session_store
from app.http.answering.handler_types import AnyRequest, AppContext, Injected, OwnAccount
from app.http.answering.query_response import VERSION_HEADER
from app.http.guards.authentication import token_of
from app.http.policies.policy import CUSTOMER, Policy
from app.http.streaming.session_ends import SessionEnds, WatchedSession
from app.http.streaming.stream_slots import StreamSlots
from app.http.streaming.subscribers import Subscribers
from app.ingest.versions.notices import Outcome
from app.queries import changes
from app.readmodels.table import GLOBAL_ACCOUNT

HEARTBEAT_SECONDS = 15.0
POLL_SECONDS = 3.0
"""The interval at which a stream polls while Redis is away."""
EVENTS_A_SEND = 500
UNKNOWN = 10**18
"""A version that nothing has: to a stream at it everything shared may have changed."""
SEND_SECONDS = 20.0
"""The time after which a client that does not read a chunk is cut off."""
HEADERS = (
    (b"content-type", b"text/event-stream"),
    (b"cache-control", b"no-store"),
    (b"x-accel-buffering", b"no"),
)
EXAMPLE = 'id: 42-7\nevent: invoice.changed\ndata: {"id":"1003","version":42}\n\n'

LastEventId = Annotated[
    str | None,
    HeaderParameter(
        name="Last-Event-ID",
        description="The id of the last event received; the stream resumes after it.",
        pattern=r"^\d{1,18}(-\d{1,18})?$",
    ),
]


Watching = Callable[[asyncio.Event], AbstractContextManager[WatchedSession]]
"""Watches the session of a stream and sets the event when it may have ended."""


class EventSources(msgspec.Struct, frozen=True):
    """The sources of event streams: changes, wake-ups, slots and ends of sessions."""

    changes: changes.ChangeReader
    subscribers: Subscribers
    slots: StreamSlots
    session_ends: SessionEnds


class Changed(msgspec.Struct, frozen=True, omit_defaults=True):
    """The data of an event: the id of what changed, and the version of the account that changed it.

    An empty id means the one there is, or any. `outcome` comes with `command.settled`, whose id is the command's:

    - `shown`: its effect is visible from this version on
    - `unchanged`: nothing had to change
    - `rejected`: it was refused, and nothing was done
    - `given_up`: the portal no longer works on it, and does not know that it took effect
    """

    id: str
    """The id of what changed."""
    version: int
    """The version of the account that changed it."""
    outcome: Outcome | None = None
    """How the command ended; only with `command.settled`."""


@get(
    "/api/events",
    policy=Policy(roles=CUSTOMER),
    operation_id="streamEvents",
    summary="What changes, as it changes",
    tags=["Events"],
    media_type="text/event-stream",
    responses={
        200: ResponseSpec(
            Changed, generate_examples=False, media_type="text/event-stream", description=f"For example: `{EXAMPLE!r}`"
        )
    },
)
async def events(
    request: AnyRequest,
    context: AppContext,
    account: OwnAccount,
    event_sources: Injected[EventSources],
    last_event_id: LastEventId = None,
) -> ASGIApp:
    """Server-sent events `order.changed`, `invoice.changed`, `subscription.changed`, `charge.changed`,
    `payment_method.changed`, `profile.changed`, `eligibility.changed`, `case.changed`, `export.changed`,
    `catalog.changed`, `notification.changed` when the list of notifications or what is unread may differ, and
    `command.settled` with the `outcome` of a command. An event whose `version` is not above the `Account-Version` of
    the answer you show is no news to it; `catalog.changed` and `payment_gateway.changed` have no version and always
    are. On `reset` events were lost: reload everything you show. The stream ends with its session; reconnect with
    `Last-Event-ID`."""
    reader = event_sources.changes
    now = StreamPosition(await reader.now(account), await reader.now(GLOBAL_ACCOUNT))
    token, _ = token_of(request, context.settings)
    digest = session_store.digest(token)
    left = functools.partial(session_store.left_seconds, context.pool, context.settings, digest)
    watching = functools.partial(event_sources.session_ends.watching, digest.hex(), left)
    return _EventStream(event_sources, watching, account, _resumed(last_event_id, now), now.own)


class StreamPosition(msgspec.Struct, frozen=True):
    """The position of a stream: the version of the account, and that of what all accounts share."""

    own: int
    shared: int

    def __str__(self) -> str:
        return f"{self.own}-{self.shared}"


def _resumed(last_event_id: str | None, now: StreamPosition) -> StreamPosition:
    """Return where to resume. An id with the account's version alone leaves the shared version unknown."""
    if last_event_id is None:
        return now
    own, _, shared = last_event_id.partition("-")
    return StreamPosition(int(own), int(shared) if shared else UNKNOWN if now.shared else 0)


class _EventStream:
    """One client's stream. It is an ASGI application, because only then can a send be abandoned."""

    def __init__(
        self,
        sources: EventSources,
        watching: Watching,
        account_id: UUID,
        start: StreamPosition,
        account_version: int,
    ) -> None:
        self._sources, self._watching = sources, watching
        self._account_id, self._position = account_id, start
        self._headers = (*HEADERS, (VERSION_HEADER.lower().encode(), b"%d" % account_version))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send until the session or the process ends, or the client disconnects or does not keep up.

        Raises:
            RateLimited: `too_many_streams`, before anything is sent.
        """
        async with self._sources.slots.slot(self._account_id):
            await self._serve(receive, send)

    async def _serve(self, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": self._headers})
        sending = asyncio.create_task(self._send_all(send))
        leaving = asyncio.create_task(_disconnected(receive))
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
        with self._sources.subscribers.at(self._account_id) as woken, self._watching(woken) as session:
            yield b": welcome\nretry: 2000\n" + self._mark() + b"\n"
            sent_at = clock()
            while not self._sources.subscribers.closing and (known := await session.is_live()) is not False:
                before = self._position
                chunks = await self._changes() if known else []
                if session.stale:
                    self._position = before
                    continue
                for start in range(0, len(chunks), EVENTS_A_SEND):
                    yield b"".join(chunks[start : start + EVENTS_A_SEND])
                if self._position != before:
                    continue
                await self._wait(woken, session.wait_seconds)
                if clock() - sent_at > HEARTBEAT_SECONDS:
                    sent_at = clock()
                    yield b": still here\n" + self._mark() + b"\n"

    async def _wait(self, woken: asyncio.Event, at_most_seconds: float) -> None:
        seconds = min(HEARTBEAT_SECONDS if self._sources.subscribers.is_live else POLL_SECONDS, at_most_seconds)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await woken.wait()
        woken.clear()

    async def _changes(self) -> list[bytes]:
        """Read what changed since the position, and advance it."""
        own = await self._sources.changes.since(self._account_id, self._position.own)
        shared = await self._sources.changes.since(GLOBAL_ACCOUNT, self._position.shared)
        before, self._position = self._position, StreamPosition(own.version, shared.version)
        if own.lost:
            return [self._mark() + b"event: reset\ndata: {}\n\n"]
        last = {event.version: number for number, event in enumerate(own.events)}
        chunks = [_chunk(each, before, marked=last[each.version] == n) for n, each in enumerate(own.events)]
        names = list(changes.SHARED if shared.lost else dict.fromkeys(event.name for event in shared.events))
        marks = [b"" for _ in names[1:]] + [self._mark()]
        return chunks + [
            mark + b"event: %s\ndata: {}\n\n" % name.encode() for mark, name in zip(marks, names, strict=False)
        ]

    def _mark(self) -> bytes:
        return b"id: %s\n" % str(self._position).encode()


def _chunk(event: changes.Event, before: StreamPosition, *, marked: bool) -> bytes:
    """Render one event. Only the last event of a version carries an id, so that a resumed stream may repeat an event
    and never skips one."""
    mark = b"id: %s\n" % str(StreamPosition(event.version, before.shared)).encode() if marked else b""
    return mark + b"event: %s\ndata: %s\n\n" % (
        event.name.encode(),
        msgspec.json.encode(Changed(event.id, event.version, event.outcome)),
    )


async def _disconnected(receive: Receive) -> None:
    """Wait until the client disconnects."""
    while (await receive())["type"] != "http.disconnect":
        pass


ROUTES = (events,)
