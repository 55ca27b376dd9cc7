"""The connection that tries the fast path first: an answer in memory is written in the callback that read the request,
without a task, a scope or a message in between.

A miss occupies the place of an ordinary request while it is fetched, so that the library keeps responsible for order,
end and disconnection. A hot request behind one that is not answered yet, or from a client that does not read its
answers, goes to the framework like any other.
"""

import asyncio
import functools
from typing import Any

import structlog
from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

from app.http.fast.connection import HttpConnection
from app.http.fast.connection_slots import ConnectionSlots
from app.http.fast.miss import Miss
from app.http.fast.path import FastPath
from app.http.fast.responses import ResponseParts

log = structlog.get_logger()


class HotConnection(HttpConnection):
    """A connection with the fast path before the framework."""

    def __init__(self, fast_path: FastPath, slots: ConnectionSlots, *library: Any, **more: Any) -> None:
        super().__init__(slots, *library, **more)
        self._fast_path = fast_path
        self._miss: Miss | None = None

    def on_headers_complete(self) -> None:
        """Answer at once if the answer is in memory; otherwise remember the miss and hand the request on."""
        if not self.complete_head():
            return
        found = None if self.busy or self.flow.write_paused else self._tried()
        if isinstance(found, tuple):
            self._write(found, keep_alive=self._stays_open())
        else:
            self._miss = found
            self.hand_on()

    def _tried(self) -> ResponseParts | Miss | None:
        if self.parser.get_method() != b"GET":
            return None
        try:
            return self._fast_path.begin(
                self.url, self.headers, self._head_bytes, self.client[0] if self.client else ""
            )
        except Exception:
            log.exception("fast_path_failed")
            return None

    def _stays_open(self) -> bool:
        return self.parser.should_keep_alive() and self.parser.get_http_version() == "1.1"

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        miss, self._miss = self._miss, None
        if miss is None:
            super()._start_asgi_task(cycle, app)
            return
        self._answering = cycle
        cycle.scope["began"] = asyncio.get_running_loop().time()  # type: ignore[typeddict-unknown-key]
        self._fast_path.fetch(miss, functools.partial(self._fetched, cycle, app))

    def _fetched(self, cycle: RequestResponseCycle, app: Any, answer: ResponseParts | None) -> None:
        if cycle.disconnected:
            return
        if answer is None:
            super()._start_asgi_task(cycle, app)
            return
        self._write(answer, keep_alive=cycle.keep_alive)
        cycle.response_complete = True
        self.on_response_complete()

    def _write(self, answer: ResponseParts, *, keep_alive: bool) -> None:
        head, body = answer
        if keep_alive:
            self.transport.write(b"".join((head, b"\r\n", body)))
            return
        self._closing = True
        self.transport.write(b"".join((head, b"connection: close\r\n\r\n", body)))
        self.transport.close()
