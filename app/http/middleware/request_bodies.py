"""Bodies are received before a request takes its place among those at work: an incomplete body delays nobody else.

The bytes in memory are bounded per sender and in all, and so is the number of incomplete bodies. When there is no room
left, a body of the sender that has the most gives way. A file is larger than anything an anonymous caller may send, so
it is received from customers only and counts against their account.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from re import Pattern

from msgspec import Struct

from app.errors import NotAuthenticated, PortalError, TooLarge
from app.http.answering.problems import Busy, TooSlow, Unavailable
from app.http.guards.client_address import client_address
from app.http.middleware.deadlines import refuse
from app.http.middleware.fair_share import Shares
from app.http.middleware.request_context import Application, Message, Receive, Scope, Send
from app.ingest.sources.admission import LARGEST_BYTES
from app.intake.addresses import counted
from app.settings import Settings

SECONDS = 60.0
WEBHOOK_SECONDS = 10.0
"""Webhooks are sent by servers, which are fast."""
MOST_BYTES = 64 * 1024 * 1024
"""The bound of all bodies in memory: incomplete ones, and those of requests at work."""
MOST_BYTES_EACH = MOST_BYTES // 4
LONGEST_SIZE = 20
"""Digits of a declared size; the parser accepts any number of leading zeros."""
MOST_INCOMING = 2_048
MOST_INCOMING_EACH = MOST_INCOMING // 4

ProvenSender = Callable[[Scope], Awaitable[str]]
"""Returns the account of the session that a request bears; empty for none."""


class IncomingBody(Struct, eq=False):
    """A body that is being received. `cut`: it gives way to others."""

    holder: str
    most_bytes: int
    seconds: float
    limit: asyncio.Timeout | None = None
    size: int = 0
    cut: bool = False


class RequestBodies:
    """Receives bodies for the application. `large` holds the sizes of files by path; their senders must be `known`."""

    def __init__(
        self, application: Application, settings: Settings, large: Mapping[Pattern[str], int], known: ProvenSender
    ) -> None:
        self._application, self._settings, self._large, self._known = application, settings, large, known
        self._bytes = Shares(MOST_BYTES, MOST_BYTES_EACH)
        self._count = Shares(MOST_INCOMING, MOST_INCOMING_EACH)
        self._incoming: dict[IncomingBody, None] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request once its body is complete."""
        declared = _declared(scope) if scope["type"] == "http" else 0
        if declared == 0:
            await self._application(scope, receive, send)
            return
        incoming: IncomingBody | None = None
        try:
            incoming = await self._admitted(scope, declared)
            body = await self._received(incoming, receive)
            await self._application(scope, _given(body, receive), send)
        except _Refused as refused:
            await refuse(scope, send, refused.error)
        finally:
            if incoming is not None:
                self._forget_bytes(incoming)

    async def _admitted(self, scope: Scope, declared: int | None) -> IncomingBody:
        """Decide against whom a body counts and how large it may be. A chunked body declares no size."""
        large = next((size for path, size in self._large.items() if path.fullmatch(scope["path"])), None)
        if scope["path"].startswith("/webhooks/"):
            most, seconds = LARGEST_BYTES, WEBHOOK_SECONDS
        else:
            most, seconds = self._settings.body_limit_bytes, SECONDS
        if large is None or (declared is not None and declared <= most):
            incoming = IncomingBody(counted(client_address(scope, self._settings)), most, seconds)
        else:
            incoming = IncomingBody(await self._sender(scope), large, seconds)
        if declared is not None and declared > incoming.most_bytes:
            raise _Refused(TooLarge())
        return incoming

    async def _sender(self, scope: Scope) -> str:
        try:
            account = await self._known(scope)
        except Exception as error:
            raise _Refused(Unavailable()) from error
        if not account:
            raise _Refused(NotAuthenticated())
        return account

    async def _received(self, incoming: IncomingBody, receive: Receive) -> bytes:
        self._make_place(incoming)
        self._count.take(incoming.holder)
        self._incoming[incoming] = None
        try:
            async with asyncio.timeout(incoming.seconds) as incoming.limit:
                return await self._pieces(incoming, receive)
        except TimeoutError as error:
            raise _Refused(Busy() if incoming.cut else TooSlow()) from error
        finally:
            del self._incoming[incoming]
            self._count.give_back(incoming.holder)

    async def _pieces(self, incoming: IncomingBody, receive: Receive) -> bytes:
        body, more = bytearray(), True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise _Refused(TooSlow())
            piece, more = message.get("body", b""), message.get("more_body", False)
            if incoming.size + len(piece) > incoming.most_bytes:
                raise _Refused(TooLarge())
            if piece:
                self._make_room(incoming, len(piece))
                self._bytes.take(incoming.holder, len(piece))
                incoming.size += len(piece)
                body += piece
        return bytes(body)

    def _make_place(self, incoming: IncomingBody) -> None:
        """Make place for one more body, at the cost of the oldest one of the sender that has the most."""
        if self._count.is_spent(incoming.holder):
            raise _Refused(Busy())
        if self._count.is_full():
            self._cut(max(self._others(self._count, incoming), key=lambda each: self._count.held(each.holder)))

    def _make_room(self, incoming: IncomingBody, size: int) -> None:
        """Make room for more bytes, at the cost of the largest body of the sender that has the most."""
        if self._bytes.is_spent(incoming.holder, size):
            raise _Refused(Busy())
        while self._bytes.is_full(size):
            others = self._others(self._bytes, incoming)
            self._cut(max(others, key=lambda each: (self._bytes.held(each.holder), each.size)))

    def _others(self, shares: Shares, incoming: IncomingBody) -> list[IncomingBody]:
        """List the bodies of senders that have more than this one, the oldest first."""
        own = shares.held(incoming.holder)
        others = [
            each
            for each in self._incoming
            if shares.held(each.holder) > own and each.limit is not None and not each.limit.expired()
        ]
        if not others:
            raise _Refused(Busy())
        return others

    def _cut(self, incoming: IncomingBody) -> None:
        incoming.cut = True
        if incoming.limit is not None:
            incoming.limit.reschedule(0)
        self._forget_bytes(incoming)

    def _forget_bytes(self, incoming: IncomingBody) -> None:
        if incoming.size:
            self._bytes.give_back(incoming.holder, incoming.size)
            incoming.size = 0


class _Refused(Exception):
    def __init__(self, error: PortalError) -> None:
        super().__init__(error.code)
        self.error = error


def _declared(scope: Scope) -> int | None:
    """Return the declared size of a body in bytes, or None where it is chunked or the size has too many digits. The
    parser has validated both headers."""
    size: int | None = 0
    for name, value in scope["headers"]:
        if name == b"content-length":
            size = int(value) if len(value) <= LONGEST_SIZE else None
        elif name == b"transfer-encoding":
            return None
    return size


def _given(body: bytes, receive: Receive) -> Receive:
    """Give the application the complete body, then the events of the connection."""
    given = False

    async def again() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return again
