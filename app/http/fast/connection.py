"""HTTP/1.1 as the server's library speaks it, with bounds that the library lacks.

Bounded are the length of a head and of what the framework never sees of a body, the number of pipelined requests, and
the number of connections. Time is bounded by a periodic check of every connection (`check_progress`), because a timer
per request costs more than it is worth. A refusal is a problem like every other error, where one can still be sent.
"""

import asyncio
from email.utils import formatdate
from typing import Any

import httptools
import structlog
from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle
from uvicorn.server import ServerState

from app.errors import InvalidRequest, PortalError
from app.http.answering.problems import MEDIA_TYPE, Busy, HeadersTooLarge, MethodNotImplemented, TooSlow, rendered
from app.http.fast.connection_slots import ConnectionSlots
from app.http.fast.upgrade import without_upgrade
from app.http.middleware.request_context import REQUESTS, SECURITY_HEADERS, request_id_of
from app.http.middleware.request_head import unreadable
from app.http.middleware.request_limits import LARGEST_HEADERS
from app.words.sentence import say

MOST_UNUSED_BYTES = 4 * LARGEST_HEADERS
"""Bytes that may arrive without completing a head or contributing to a body."""
MOST_QUEUED = 32
"""Pipelined requests that wait for the one before them; the last one ends the connection."""
HEAD_SECONDS = 10.0
BODY_SECONDS = 60.0
IDLE_SECONDS = 75.0
"""Longer than proxies keep an unused connection, so that they are the ones that close it."""
UNSENT_SECONDS = 15.0
"""The time after which a client that reads nothing is cut off."""
VERSIONS = frozenset({"1.0", "1.1"})
"""HTTP versions. The parser takes a request line without one, which may end with a bare LF, for one of HTTP/0.9."""

log = structlog.get_logger()


class HttpConnection(HttpToolsProtocol):
    """A client's connection."""

    def __init__(
        self,
        slots: ConnectionSlots,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self._slots = slots
        self._slot: str | None = None
        self._in_head = self._partial = self._used = self._closing = False
        self._unused_bytes = self._head_bytes = 0
        self._answering: RequestResponseCycle | None = None
        self._seen: tuple[list[tuple[bytes, bytes]] | None, int] | None = None
        self._seen_at = 0.0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin, unless there are too many connections in all or of this address."""
        super().connection_made(transport)
        self._slot = self._slots.take(self.client[0] if self.client else "")
        if self._slot is None:
            self.refuse(Busy())

    def connection_lost(self, exc: Exception | None) -> None:
        """Disconnect every pipelined request; the library would disconnect the last one only."""
        if self._slot is not None:
            self._slots.give_back(self._slot)
            self._slot = None
        for cycle in (self._answering, *(queued for queued, _ in self.pipeline)):
            if cycle is not None and not cycle.response_complete:
                cycle.disconnected = True
                cycle.message_event.set()
        self.pipeline.clear()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse, and bound bytes that complete nothing."""
        if self._closing:
            return
        self._used = False
        self._head_bytes = self._unused_bytes + len(data)
        try:
            self._parse(data)
        except httptools.HttpParserInvalidMethodError:
            self.refuse(unreadable(data))
        except httptools.HttpParserError:
            self.refuse(InvalidRequest(say("problems.malformed_http")))
        if self._used or not self._partial:
            self._unused_bytes = 0
            return
        self._unused_bytes = self._head_bytes
        if self._unused_bytes > MOST_UNUSED_BYTES:
            self.refuse(HeadersTooLarge())

    def _parse(self, data: bytes) -> None:
        """Parse; a request for another protocol is parsed once more without the upgrade."""
        while not self._closing:
            try:
                self.parser.feed_data(data)
                return
            except httptools.HttpParserUpgrade as stopped:
                method, version = self.parser.get_method(), self.parser.get_http_version()
                if method == b"CONNECT":
                    self.refuse(MethodNotImplemented())
                elif not self._closing:
                    rest = data[stopped.args[0] :]
                    data = without_upgrade(method, self.url, version, self.headers) + rest
                    self.parser = httptools.HttpRequestParser(self)
                    self.parser.set_dangerous_leniencies(lenient_data_after_close=True)

    def on_message_begin(self) -> None:
        """Begin a request. What the framework needs besides its head is made when it is handed on."""
        if len(self.pipeline) >= MOST_QUEUED:
            self._close_after_current()
        if not self._closing:
            self.url, self.headers = b"", []
            self._in_head = self._partial = True

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keep a header; trailers are ignored."""
        if self._in_head:
            self.headers.append((name.lower(), value.strip(b" \t")))

    def on_headers_complete(self) -> None:
        """Hand a complete request head to the framework."""
        if self.complete_head():
            self.hand_on()

    def complete_head(self) -> bool:
        """Note the end of a head, and return whether it is to be answered."""
        if self._closing or not self._in_head or self.parser.should_upgrade():
            return False
        if self.parser.get_http_version() not in VERSIONS:
            self.refuse(InvalidRequest(say("problems.malformed_http")))
            return False
        self._in_head, self._used = False, True
        return True

    def hand_on(self) -> None:
        """Let the framework answer, after the requests before."""
        url, headers = self.url, self.headers
        super().on_message_begin()
        self.url, self.headers = url, headers
        self.scope["headers"] = headers
        self.expect_100_continue = self.parser.get_http_version() != "1.0" and any(
            name == b"expect" and value.lower() == b"100-continue" for name, value in headers
        )
        try:
            super().on_headers_complete()
        except Exception:  # an address that is none: no request has begun
            self._in_head = True
            raise

    def on_body(self, body: bytes) -> None:
        """Pass on a piece of a body."""
        self._used = True
        if self._partial and self.cycle is not None:
            super().on_body(body)

    def on_message_complete(self) -> None:
        """Note the end of a request."""
        if self._partial and not self._in_head:
            self._partial, self._used = False, True
            if self.cycle is not None:
                super().on_message_complete()

    def on_response_complete(self) -> None:
        """Start the next pipelined request, as the library does but without its timer."""
        self.server_state.total_requests += 1
        if not self.transport.is_closing():
            self.flow.resume_reading()
            if self.pipeline:
                self._start_asgi_task(*self.pipeline.pop())

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        self._answering = cycle
        super()._start_asgi_task(cycle, app)

    @property
    def busy(self) -> bool:
        """True while a request is being answered."""
        return self.cycle is not None and not self.cycle.response_complete

    def check_progress(self, now: float) -> None:
        """Cut off a client that makes no progress. Called every few seconds; `now` is monotonic."""
        unsent_bytes = self.transport.get_write_buffer_size()
        ours = self.busy and not unsent_bytes and (not self._partial or self.flow.read_paused)
        same = self._seen is not None and self._seen[0] is self.headers and self._seen[1] == unsent_bytes
        if ours or not same:
            self._seen, self._seen_at = (self.headers, unsent_bytes), now
            return
        fresh = self.headers is None or self._in_head
        patience = HEAD_SECONDS if fresh else BODY_SECONDS if self._partial else IDLE_SECONDS
        if now - self._seen_at < (UNSENT_SECONDS if unsent_bytes else patience):
            return
        if self._in_head and not unsent_bytes:
            self.refuse(TooSlow())
        elif unsent_bytes or self._partial:
            self.transport.abort()
        else:
            self.transport.close()

    def refuse(self, error: PortalError) -> None:
        """Send a problem, unless a response has begun, and end the connection. Earlier requests are answered first."""
        if self._closing:
            return
        if self.busy and (self._in_head or self.pipeline):
            if self._partial and not self._in_head:  # its body is wrong, and its turn has not come
                self.pipeline.popleft()
                self.cycle = self.pipeline[0][0] if self.pipeline else self._answering  # type: ignore[assignment]
            self._close_after_current()
            return
        self._closing = True
        if self.busy and self.cycle.response_started:
            self.transport.abort()
            return
        if self.busy:
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        self.transport.write(_refusal(error))
        self.transport.close()

    def _close_after_current(self) -> None:
        """Ignore further requests and end the connection with the current response."""
        self._closing = True
        if self.busy:
            self.cycle.keep_alive = False
        else:
            self.transport.close()


def _refusal(error: PortalError) -> bytes:
    """Render a complete response, counted and logged like every other."""
    request_id = request_id_of(None)
    status, headers, body = rendered(error, request_id)
    REQUESTS.labels("unknown", "unknown", status).inc()
    log.info("http_refused", status=status, code=error.code, request_id=request_id)
    headers = {**headers, "Content-Type": MEDIA_TYPE, "Content-Length": str(len(body)), "Connection": "close"}
    own = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
    dated = (b"date", formatdate(usegmt=True).encode())
    lines = [*own, dated, (b"x-request-id", request_id.encode()), *SECURITY_HEADERS]
    return b"".join((STATUS_LINE[status], *(b"%b: %b\r\n" % line for line in lines), b"\r\n", body))
