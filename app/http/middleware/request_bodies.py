"""Bodies are received before a request counts: who sends half of one keeps nobody waiting but themselves.

What has arrived is bounded, for each address and in all, and so is the number of bodies that are on their way. When
there is no room left, a body of the address that has the most of it has to make room. A file is larger than anything a
stranger may send, so it is received from known customers only, and counts to their account.
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
"""Those who send webhooks are servers."""
MOST_BYTES = 64 * 1024 * 1024
"""Of bodies in memory: those on their way, and those of requests that are being worked on."""
MOST_BYTES_EACH = MOST_BYTES // 4
LONGEST_SIZE = 20
"""Digits of a size; the parser takes any number of zeros before it."""
MOST_ARRIVING = 2_048
MOST_ARRIVING_EACH = MOST_ARRIVING // 4

ProvenSender = Callable[[Scope], Awaitable[str]]
"""The account whose session a request bears; empty for nobody."""


class Arriving(Struct, eq=False):
    """A body on its way. `cut`: it has to make room for others."""

    holder: str
    most_bytes: int
    seconds: float
    limit: asyncio.Timeout | None = None
    size: int = 0
    cut: bool = False


class RequestBodies:
    """Wraps the application. `large`: how much bodies of which paths may have, whose senders must be `known`."""

    def __init__(
        self, application: Application, settings: Settings, large: Mapping[Pattern[str], int], known: ProvenSender
    ) -> None:
        self._application, self._settings, self._large, self._known = application, settings, large, known
        self._bytes = Shares(MOST_BYTES, MOST_BYTES_EACH)
        self._count = Shares(MOST_ARRIVING, MOST_ARRIVING_EACH)
        self._arriving: dict[Arriving, None] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request once its body is there."""
        declared = _declared(scope) if scope["type"] == "http" else 0
        if declared == 0:
            await self._application(scope, receive, send)
            return
        arriving: Arriving | None = None
        try:
            arriving = await self._admitted(scope, declared)
            body = await self._received(arriving, receive)
            await self._application(scope, _given(body, receive), send)
        except _Refused as refused:
            await refuse(scope, send, refused.error)
        finally:
            if arriving is not None:
                self._forget_bytes(arriving)

    async def _admitted(self, scope: Scope, declared: int | None) -> Arriving:
        """Who sends, and how much that may be. Of a body in chunks the size is not declared."""
        large = next((size for path, size in self._large.items() if path.fullmatch(scope["path"])), None)
        if scope["path"].startswith("/webhooks/"):
            most, seconds = LARGEST_BYTES, WEBHOOK_SECONDS
        else:
            most, seconds = self._settings.body_limit_bytes, SECONDS
        if large is None or (declared is not None and declared <= most):
            arriving = Arriving(counted(client_address(scope, self._settings)), most, seconds)
        else:
            arriving = Arriving(await self._sender(scope), large, seconds)
        if declared is not None and declared > arriving.most_bytes:
            raise _Refused(TooLarge())
        return arriving

    async def _sender(self, scope: Scope) -> str:
        try:
            account = await self._known(scope)
        except Exception as error:
            raise _Refused(Unavailable()) from error
        if not account:
            raise _Refused(NotAuthenticated())
        return account

    async def _received(self, arriving: Arriving, receive: Receive) -> bytes:
        self._make_place(arriving)
        self._count.take(arriving.holder)
        self._arriving[arriving] = None
        try:
            async with asyncio.timeout(arriving.seconds) as arriving.limit:
                return await self._pieces(arriving, receive)
        except TimeoutError as error:
            raise _Refused(Busy() if arriving.cut else TooSlow()) from error
        finally:
            del self._arriving[arriving]
            self._count.give_back(arriving.holder)

    async def _pieces(self, arriving: Arriving, receive: Receive) -> bytes:
        body, more = bytearray(), True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise _Refused(TooSlow())
            piece, more = message.get("body", b""), message.get("more_body", False)
            if arriving.size + len(piece) > arriving.most_bytes:
                raise _Refused(TooLarge())
            if piece:
                self._make_room(arriving, len(piece))
                self._bytes.take(arriving.holder, len(piece))
                arriving.size += len(piece)
                body += piece
        return bytes(body)

    def _make_place(self, arriving: Arriving) -> None:
        """For one more body: at the cost of the oldest of whoever sends the most at once."""
        if self._count.is_spent(arriving.holder):
            raise _Refused(Busy())
        if self._count.is_full():
            self._cut(max(self._others(self._count, arriving), key=lambda each: self._count.held(each.holder)))

    def _make_room(self, arriving: Arriving, size: int) -> None:
        """For so much more of a body: at the cost of the largest of whoever has sent the most."""
        if self._bytes.is_spent(arriving.holder, size):
            raise _Refused(Busy())
        while self._bytes.is_full(size):
            others = self._others(self._bytes, arriving)
            self._cut(max(others, key=lambda each: (self._bytes.held(each.holder), each.size)))

    def _others(self, shares: Shares, arriving: Arriving) -> list[Arriving]:
        """Those on their way whose senders have more than this one, the oldest first."""
        own = shares.held(arriving.holder)
        others = [
            each
            for each in self._arriving
            if shares.held(each.holder) > own and each.limit is not None and not each.limit.expired()
        ]
        if not others:
            raise _Refused(Busy())
        return others

    def _cut(self, arriving: Arriving) -> None:
        arriving.cut = True
        if arriving.limit is not None:
            arriving.limit.reschedule(0)
        self._forget_bytes(arriving)

    def _forget_bytes(self, arriving: Arriving) -> None:
        if arriving.size:
            self._bytes.give_back(arriving.holder, arriving.size)
            arriving.size = 0


class _Refused(Exception):
    def __init__(self, error: PortalError) -> None:
        super().__init__(error.code)
        self.error = error


def _declared(scope: Scope) -> int | None:
    """The size of a request's body in bytes; None where it comes in chunks, or the size is written absurdly. The parser
    has read both headers before."""
    size: int | None = 0
    for name, value in scope["headers"]:
        if name == b"content-length":
            size = int(value) if len(value) <= LONGEST_SIZE else None
        elif name == b"transfer-encoding":
            return None
    return size


def _given(body: bytes, receive: Receive) -> Receive:
    """What the application receives: the whole body, and then what happens to the connection."""
    given = False

    async def again() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return again
