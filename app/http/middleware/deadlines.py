"""Every request is answered in time, whatever hangs behind it.

A read that does not come to its end is given up and answered 503. A command is never cut, because an upstream may be in
the middle of it: past its deadline the caller is told that the outcome is not known yet, and the work goes on under the
command ledger, bounded by the deadlines of its upstream calls. Sent again under its key it gets the first answer.

Event streams have no end, health checks and metrics have bounds of their own.
"""

import asyncio
import re
from collections.abc import Mapping

import structlog

from app.errors import PortalError
from app.http.answering.problems import MEDIA_TYPE, Busy, Unavailable, Unfinished, rendered
from app.http.answering.query_response import DEFAULT_WAIT_SECONDS, LONGEST_WAIT_SECONDS
from app.http.middleware.request_context import Application, Message, Receive, Scope, Send
from app.settings import Settings

UNBOUNDED = ("/api/events", "/api/health/", "/metrics")
LIVE = re.compile(r"/api/cases(/|$)|/api/subscriptions/[^/]+/(preview|usage|plans)|/api/admin/")
"""Reads that ask an upstream at once, and those of operators, which look at much."""
SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
MOST_UNFINISHED = 256
"""Commands whose callers were answered already. Above that no new one is begun."""
LEAVE_SECONDS = 10.0
_WAIT = re.compile(rb"\bwait=(\d{1,4}(?:\.\d{1,6})?)")
_WAITING = frozenset({b"consistency-token", b"cache-control"})

log = structlog.get_logger()


class Deadlines:
    """Wraps the application."""

    def __init__(self, application: Application, settings: Settings) -> None:
        self._application, self._settings = application, settings
        self._unfinished: set[asyncio.Task[None]] = set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request in its time."""
        if scope["type"] != "http" or scope["path"].startswith(UNBOUNDED):
            await self._application(scope, receive, send)
            return
        reads = scope["method"] in SAFE
        if not reads and len(self._unfinished) >= MOST_UNFINISHED:
            await refuse(scope, send, Busy())
            return
        answer = _Answer(send)
        task: asyncio.Task[None] = asyncio.create_task(self._handle(scope, receive, answer.send))
        try:
            await asyncio.wait({task}, timeout=self._seconds(scope, reads))
        except asyncio.CancelledError:  # the server ends
            task.cancel()
            raise
        if task.done() or answer.begun:
            await task
            return
        answer.closed = True
        self._leave(task, scope, reads)
        await refuse(scope, send, Unavailable() if reads else Unfinished())

    async def _handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._application(scope, receive, send)

    async def finish(self) -> None:
        """Give commands that nobody waits for a little time, at the end of the process."""
        if self._unfinished:
            await asyncio.wait(self._unfinished, timeout=LEAVE_SECONDS)
        for task in self._unfinished:
            task.cancel()

    def _seconds(self, scope: Scope, reads: bool) -> float:
        """`began` is when the request came, for one that the lane has tried before."""
        settings, spent = self._settings, 0.0
        if "began" in scope:
            spent = asyncio.get_running_loop().time() - scope["began"]
        if not reads:
            return settings.command_deadline_seconds
        if LIVE.match(scope["path"]):
            return settings.live_deadline_seconds
        return max(settings.read_deadline_seconds + _wait_seconds(dict(scope["headers"])) - spent, 0.2)

    def _leave(self, task: asyncio.Task[None], scope: Scope, reads: bool) -> None:
        route = scope.get("path_template") or "unknown"
        log.error("request_past_deadline", method=scope["method"], route=route)
        task.add_done_callback(_noticed)
        if reads:
            task.cancel()
            return
        self._unfinished.add(task)
        task.add_done_callback(self._unfinished.discard)


class _Answer:
    """What the application sends, until somebody else has answered."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self.begun = self.closed = False

    async def send(self, message: Message) -> None:
        """Pass a message on."""
        if not self.closed:
            self.begun = True
            await self._send(message)


def _wait_seconds(headers: Mapping[bytes, bytes]) -> float:
    """How long the caller itself is ready to wait for something newer."""
    if _WAITING.isdisjoint(headers):
        return 0.0
    asked = _WAIT.search(headers.get(b"prefer", b""))
    return min(float(asked.group(1)) if asked else DEFAULT_WAIT_SECONDS, LONGEST_WAIT_SECONDS)


def _noticed(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and (error := task.exception()):
        log.warning("request_failed_past_deadline", error=repr(error))


async def refuse(scope: Scope, send: Send, error: PortalError) -> None:
    """Answer with a problem in place of the application."""
    status, headers, body = rendered(error, str(scope.get("request_id", "")))
    sent = {**headers, "Content-Type": MEDIA_TYPE, "Content-Length": str(len(body))}
    pairs = [(name.lower().encode(), value.encode()) for name, value in sent.items()]
    await send({"type": "http.response.start", "status": status, "headers": pairs})
    await send({"type": "http.response.body", "body": body})
