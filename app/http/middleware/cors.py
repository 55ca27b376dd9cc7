"""Cross-origin requests: what browsers may send, and what their scripts may read (the Fetch standard's CORS protocol).

Only the request context is further out, so that scripts can read refusals too. Every answer varies by `Origin`, also to
callers that send none: no cache may give the answer for one origin to another.
"""

from litestar.config.cors import CORSConfig

from app.http.middleware.request_context import Application, Message, Receive, Scope, Send
from app.settings import Settings

READABLE_HEADERS = (
    *("X-Request-Id", "ETag", "Consistency", "Consistency-Token", "Command-Id", "Idempotency-Replayed"),
    *("Account-Version", "Portal-Version", "Deprecation", "Sunset", "Link"),
    *("RateLimit", "RateLimit-Policy", "Retry-After", "Content-Disposition", "Allow", "WWW-Authenticate"),
)
"""Headers that scripts of an allowed origin may read in addition to the safelisted ones."""
SENDABLE_HEADERS = (
    *("Authorization", "Content-Type", "Idempotency-Key", "Consistency-Token", "Prefer", "X-CSRF-Token"),
    *("X-Request-Id", "If-Match", "If-None-Match", "Cache-Control", "Last-Event-ID"),
    "Portal-Version",
)
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")
Headers = list[tuple[bytes, bytes]]


def cors_of(settings: Settings) -> CORSConfig | None:
    """Return the origins that the settings allow, or None where they allow none."""
    origins = [origin.strip() for origin in settings.cors_origins.split(",") if origin.strip()]
    return CORSConfig(allow_origins=origins) if origins else None


def cors_headers(config: CORSConfig, origin: bytes) -> Headers:
    """Render the CORS headers of an answer to this origin. Where all origins are allowed, cookies are not: any script
    reads only what needs none."""
    if config.is_allow_all_origins:
        allowed: Headers = [(b"access-control-allow-origin", b"*")]
    elif config.is_origin_allowed(origin.decode("latin-1")):
        allowed = [(b"access-control-allow-origin", origin), (b"access-control-allow-credentials", b"true")]
    else:
        return []
    return [*allowed, (b"access-control-expose-headers", ", ".join(READABLE_HEADERS).encode())]


class Cors:
    """Answers preflights, and adds CORS headers to every answer."""

    def __init__(self, application: Application, config: CORSConfig) -> None:
        self._application, self._config = application, config

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a preflight, or add the CORS headers to the answer."""
        if scope["type"] != "http":
            await self._application(scope, receive, send)
            return
        headers = dict(scope["headers"])
        origin: bytes | None = headers.get(b"origin")
        more = cors_headers(self._config, origin) if origin is not None else []

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*_varying(list(message.get("headers", ()))), *more]
            await send(message)

        if scope["method"] == "OPTIONS" and origin is not None and b"access-control-request-method" in headers:
            await _preflight(with_headers, self._config.max_age if more else None)
        else:
            await self._application(scope, receive, with_headers)


async def _preflight(send: Send, max_age_seconds: int | None) -> None:
    """Answer a preflight. An origin that is not allowed gets no CORS headers, and its browser blocks the request."""
    headers: Headers = []
    if max_age_seconds is not None:
        headers = [
            (b"access-control-allow-methods", ", ".join(METHODS).encode()),
            (b"access-control-allow-headers", ", ".join(SENDABLE_HEADERS).encode()),
            (b"access-control-max-age", b"%d" % max_age_seconds),
        ]
    await send({"type": "http.response.start", "status": 204, "headers": headers})
    await send({"type": "http.response.body", "body": b""})


def _varying(headers: Headers) -> Headers:
    """Add `Origin` to `Vary`, as one header."""
    others = [(name, value) for name, value in headers if name.lower() != b"vary"]
    named = [value for name, value in headers if name.lower() == b"vary"]
    return [*others, (b"vary", b", ".join((*named, b"Origin")))]
