"""Deadlines: every request is answered in time, whatever hangs behind it.

A read past its deadline is cancelled and answered 503. A command is never cancelled, because an upstream may be in the
middle of it: past its deadline the caller gets `outcome_unknown`, and the work goes on under the command ledger,
bounded by the deadlines of its upstream calls. The same request under the same key then gets the first answer.

Event streams have no deadline; health checks and metrics have bounds of their own.
"""

import asyncio
import re
from collections.abc import Mapping

import structlog

from app.errors import PortalError
from app.http.answering.problems import MEDIA_TYPE, Busy, Unavailable, Unfinished, rendered_for
from app.http.answering.query_response import DEFAULT_WAIT_SECONDS, LONGEST_WAIT_SECONDS
from app.http.middleware.request_context import Application, Message, Receive, Scope, Send
from app.settings import Settings

UNBOUNDED = ("/api/events", "/api/health/", "/metrics")
LIVE = re.compile(r"/api/cases(/|$)|/api/subscriptions/[^/]+/(preview|usage|plans)|/api/admin/")
"""Reads that call an upstream, and those of operators, which read a lot. Requests have no handler yet here; a test
holds this to the policies of the routes."""
SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
MOST_UNFINISHED = 256
"""Commands that run past the answer to their caller. At this number no new command starts."""
FINISH_SECONDS = 10.0
_WAIT = re.compile(rb"\bwait=(\d{1,4}(?:\.\d{1,6})?)")
_WAITING = frozenset({b"consistency-token", b"cache-control"})

log = structlog.get_logger()


class Deadlines:
    """Bounds the time of every request."""

    def __init__(self, application: Application, settings: Settings) -> None:
        self._application, self._settings = application, settings
        self._unfinished: set[asyncio.Task[None]] = set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request within its deadline."""
        if scope["type"] != "http" or scope["path"].startswith(UNBOUNDED):
            await self._application(scope, receive, send)
            return
        reads = scope["method"] in SAFE
        if not reads and len(self._unfinished) >= MOST_UNFINISHED:
            await refuse(scope, send, Busy())
            return
        answer = _ClosableSend(send)
        task: asyncio.Task[None] = asyncio.create_task(self._handle(scope, receive, answer.send))
        try:
            await asyncio.wait({task}, timeout=self._seconds(scope, reads))
        except asyncio.CancelledError:  # the server stops
            task.cancel()
            raise
        if task.done() or answer.begun:
            await task
            return
        answer.closed = True
        self._abandon(task, scope, reads)
        await refuse(scope, send, Unavailable() if reads else Unfinished())

    async def _handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._application(scope, receive, send)

    async def finish(self) -> None:
        """Wait a little for commands past their deadline before the process ends."""
        if self._unfinished:
            await asyncio.wait(self._unfinished, timeout=FINISH_SECONDS)
        for task in self._unfinished:
            task.cancel()

    def _seconds(self, scope: Scope, reads: bool) -> float:
        """Return the time that is left. `began` is the arrival of a request that the fast path has tried before."""
        settings, spent = self._settings, 0.0
        if "began" in scope:
            spent = asyncio.get_running_loop().time() - scope["began"]
        if not reads:
            return settings.command_deadline_seconds
        if LIVE.match(scope["path"]):
            return settings.live_deadline_seconds
        return max(settings.read_deadline_seconds + _wait_seconds(dict(scope["headers"])) - spent, 0.2)

    def _abandon(self, task: asyncio.Task[None], scope: Scope, reads: bool) -> None:
        route = scope.get("path_template") or "unknown"
        log.error("request_past_deadline", method=scope["method"], route=route)
        task.add_done_callback(_log_failure)
        if reads:
            task.cancel()
            return
        self._unfinished.add(task)
        task.add_done_callback(self._unfinished.discard)


class _ClosableSend:
    """Passes on what the application sends, until the deadline has answered in its place."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self.begun = self.closed = False

    async def send(self, message: Message) -> None:
        """Send a message unless the deadline has answered."""
        if not self.closed:
            self.begun = True
            await self._send(message)


def _wait_seconds(headers: Mapping[bytes, bytes]) -> float:
    """Return how long the caller is prepared to wait for newer data."""
    if _WAITING.isdisjoint(headers):
        return 0.0
    wanted = _WAIT.search(headers.get(b"prefer", b""))
    return min(float(wanted.group(1)) if wanted else DEFAULT_WAIT_SECONDS, LONGEST_WAIT_SECONDS)


def _log_failure(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and (error := task.exception()):
        log.warning("request_failed_past_deadline", error=repr(error))


async def refuse(scope: Scope, send: Send, error: PortalError) -> None:
    """Send a problem in place of the application."""
    status, headers, body = rendered_for(scope, error)
    sent = {**headers, "Content-Type": MEDIA_TYPE, "Content-Length": str(len(body))}
    pairs = [(name.lower().encode(), value.encode()) for name, value in sent.items()]
    await send({"type": "http.response.start", "status": status, "headers": pairs})
    await send({"type": "http.response.body", "body": body})
