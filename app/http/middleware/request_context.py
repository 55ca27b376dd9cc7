"""The context of every request: request id, access log, metrics, security headers.

Pure ASGI and outermost, so that unknown paths and refused requests are covered too.
"""

import re
import time
from collections.abc import Awaitable, Callable, Iterator, MutableMapping
from os import urandom
from typing import Any

import structlog
from prometheus_client import Counter

from app.http.answering import page_script
from app.http.monitoring.latency_histogram import Timings

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]

REQUESTS = Counter("portal_http_requests_total", "HTTP requests", ["method", "route", "status"])
SECONDS = Timings("portal_http_request_seconds", "Time to the last byte")
SECURITY_HEADERS = (
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (
        b"content-security-policy",
        b"default-src 'none'; script-src %s; style-src 'unsafe-inline'; object-src 'none'; base-uri 'none'; "
        b"form-action 'none'; frame-ancestors 'none'" % page_script.permission().encode(),
    ),
    (b"strict-transport-security", b"max-age=31536000; includeSubDomains"),
)
PROBES = ("/api/health/", "/metrics")
"""Routes that monitoring calls every few seconds; logged at debug level unless they fail."""
IDS_AT_ONCE = 64
_ID = re.compile(rb"[A-Za-z0-9._-]{1,64}")

log = structlog.get_logger()


class RequestContext:
    """Adds id and security headers to every answer, and logs and measures it."""

    def __init__(self, application: Application) -> None:
        self._application = application

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request; lifespan events pass through."""
        if scope["type"] != "http":
            await self._application(scope, receive, send)
            return
        given: bytes = next((value for name, value in scope["headers"] if name == b"x-request-id"), b"")
        request_id = scope["request_id"] = request_id_of(given)
        structlog.contextvars.clear_contextvars()
        structlog.contextvars.bind_contextvars(request_id=request_id)
        started, status = time.perf_counter(), 500

        async def with_context(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                extra = [(b"x-request-id", request_id.encode()), *SECURITY_HEADERS, *scope.get("extra_headers", ())]
                message["headers"] = [*message.get("headers", ()), *extra]
            await send(message)

        try:
            await self._application(scope, receive, with_context)
        finally:
            _observe(scope, status, time.perf_counter() - started)


def request_id_of(given: bytes | None) -> str:
    """Return the caller's own id if it is well formed, otherwise a fresh one."""
    return given.decode() if given and _ID.fullmatch(given) else next(_fresh)


def _ids() -> Iterator[str]:
    """Generate random ids, from one system call for many."""
    while True:
        digits = urandom(16 * IDS_AT_ONCE).hex()
        for start in range(0, len(digits), 32):
            yield digits[start : start + 32]


_fresh = _ids()


def _observe(scope: Scope, status: int, seconds: float) -> None:
    """Log and count by the route's template, never by path or query, which may hold ids and tokens."""
    route, method = scope.get("path_template") or "unknown", scope["method"]
    REQUESTS.labels(method, route, status).inc()
    SECONDS.note(method, route, (seconds,))
    write = log.debug if status < 500 and route.startswith(PROBES) else log.info
    write("http_request", method=method, route=route, status=status, duration_ms=round(seconds * 1000, 2))
