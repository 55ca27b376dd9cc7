"""The connection that asks the fast lane first: what is in memory is written where it was read, without a task, a
scope or a message in between.

What must be fetched takes the place of an ordinary answer meanwhile, so that order, end and disconnection are the
library's affair. A hot request behind one that is not answered yet, or to a client that does not take its answers, is
answered by the application like any other.
"""

import asyncio
import functools
from typing import Any

import structlog
from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

from app.http.fast.connection import Connection
from app.http.fast.connection_slots import ConnectionSlots
from app.http.fast.miss import Miss
from app.http.fast.path import FastPath
from app.http.fast.responses import ResponseParts

log = structlog.get_logger()


class HotConnection(Connection):
    """One connection."""

    def __init__(self, lane: FastPath, places: ConnectionSlots, *library: Any, **more: Any) -> None:
        super().__init__(places, *library, **more)
        self._lane = lane
        self._visit: Miss | None = None

    def on_headers_complete(self) -> None:
        """The head is whole: answer at once, or begin to."""
        if not self.heard_whole():
            return
        found = None if self.busy or self.flow.write_paused else self._asked()
        if isinstance(found, tuple):
            self._write(found, keep_alive=self._stays_open())
        else:
            self._visit = found
            self.hand_on()

    def _asked(self) -> ResponseParts | Miss | None:
        if self.parser.get_method() != b"GET":
            return None
        try:
            return self._lane.begin(self.url, self.headers, self._head_bytes, self.client[0] if self.client else "")
        except Exception:
            log.exception("lane_failed")
            return None

    def _stays_open(self) -> bool:
        return self.parser.should_keep_alive() and self.parser.get_http_version() == "1.1"

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        visit, self._visit = self._visit, None
        if visit is None:
            super()._start_asgi_task(cycle, app)
            return
        self._answering = cycle
        cycle.scope["began"] = asyncio.get_running_loop().time()  # type: ignore[typeddict-unknown-key]
        self._lane.fetch(visit, functools.partial(self._fetched, cycle, app))

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
        self._deaf = True
        self.transport.write(b"".join((head, b"connection: close\r\n\r\n", body)))
        self.transport.close()
