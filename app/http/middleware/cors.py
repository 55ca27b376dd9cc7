"""Browsers of other origins: what they may ask, and what their scripts may read (the Fetch standard's CORS protocol).

Outermost but for the frame, so that scripts can read refusals too. That answers differ by origin is said with every one
of them, also with those to callers that name none: whatever keeps answers must not give one origin's to another.
"""

from litestar.config.cors import CORSConfig

from app.http.middleware.request_context import Application, Message, Receive, Scope, Send
from app.settings import Settings

READABLE_HEADERS = (
    *("X-Request-Id", "ETag", "Consistency", "Consistency-Token", "Command-Id", "Idempotency-Replayed"),
    *("RateLimit", "RateLimit-Policy", "Retry-After", "Content-Disposition", "Allow", "WWW-Authenticate"),
)
"""What a browser lets scripts of an allowed origin read, beside what it always does."""
SENDABLE_HEADERS = (
    *("Authorization", "Content-Type", "Idempotency-Key", "Consistency-Token", "Prefer", "X-CSRF-Token"),
    *("X-Request-Id", "If-Match", "If-None-Match", "Cache-Control", "Last-Event-ID"),
)
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")
Headers = list[tuple[bytes, bytes]]


def cors_of(settings: Settings) -> CORSConfig | None:
    """The origins that the settings allow; nothing where they allow none."""
    origins = [origin.strip() for origin in settings.cors_origins.split(",") if origin.strip()]
    return CORSConfig(allow_origins=origins) if origins else None


def told(config: CORSConfig, origin: bytes) -> Headers:
    """What an answer to a request of this origin says. Everybody's scripts, where all are allowed, read what nobody's
    cookies open."""
    if config.is_allow_all_origins:
        allowed: Headers = [(b"access-control-allow-origin", b"*")]
    elif config.is_origin_allowed(origin.decode("latin-1")):
        allowed = [(b"access-control-allow-origin", origin), (b"access-control-allow-credentials", b"true")]
    else:
        return []
    return [*allowed, (b"access-control-expose-headers", ", ".join(READABLE_HEADERS).encode())]


class Cors:
    """Wraps the application."""

    def __init__(self, application: Application, config: CORSConfig) -> None:
        self._application, self._config = application, config

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a browser that asks before it sends, and tell it with every answer what may be read."""
        if scope["type"] != "http":
            await self._application(scope, receive, send)
            return
        asked = dict(scope["headers"])
        origin: bytes | None = asked.get(b"origin")
        more = told(self._config, origin) if origin is not None else []

        async def telling(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*_varying(list(message.get("headers", ()))), *more]
            await send(message)

        if scope["method"] == "OPTIONS" and origin is not None and b"access-control-request-method" in asked:
            await _preflight(telling, self._config.max_age if more else None)
        else:
            await self._application(scope, receive, telling)


async def _preflight(send: Send, max_age_seconds: int | None) -> None:
    """Who is not allowed is told nothing; the browser knows what that means."""
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
    """With the origin among what the answer varies by, once."""
    others = [(name, value) for name, value in headers if name.lower() != b"vary"]
    named = [value for name, value in headers if name.lower() == b"vary"]
    return [*others, (b"vary", b", ".join((*named, b"Origin")))]
