"""What is refused before anything is looked at: endless query strings and headers, and more requests at once than help.

Bodies are bounded by the framework while they are read, event streams by `app/http/doorbells.py`.
"""

from app.errors import InvalidRequest, PortalError
from app.http.deadlines import refuse
from app.http.frame import Application, Receive, Scope, Send
from app.http.problems import Busy, HeadersTooLarge, QueryTooLong
from app.http.request_head import unfit

LONGEST_QUERY = 4_096
LARGEST_HEADERS = 16_384
MOST_HEADERS = 64
UNCOUNTED = ("/api/events", "/api/health/", "/metrics")
"""Streams stay for hours, and a busy process must still be able to say that it lives."""


class Bounds:
    """Wraps the application. `at_once`: requests one process works on at the same time."""

    def __init__(self, application: Application, at_once: int) -> None:
        self._application = application
        self._at_once = at_once
        self._running = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request, or refuse it."""
        if scope["type"] != "http":
            await self._application(scope, receive, send)
            return
        uncounted = scope["path"].startswith(UNCOUNTED)
        if error := unfit(scope) or (None if uncounted else self._refused(scope)):
            await refuse(scope, send, error)
            return
        if uncounted:
            await self._application(scope, receive, send)
            return
        self._running += 1
        try:
            await self._application(scope, receive, send)
        finally:
            self._running -= 1

    def _refused(self, scope: Scope) -> PortalError | None:
        if "\0" in scope["path"] or b"%00" in scope["query_string"]:
            return InvalidRequest("The address contains a NUL character, which no text here has.")
        if len(scope["query_string"]) > LONGEST_QUERY:
            return QueryTooLong()
        headers = scope["headers"]
        if len(headers) > MOST_HEADERS or sum(len(name) + len(value) for name, value in headers) > LARGEST_HEADERS:
            return HeadersTooLarge()
        return Busy() if self._running >= self._at_once else None
