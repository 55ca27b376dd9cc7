"""HEAD and OPTIONS on every route (RFC 9110, 9.3.2 and 9.3.7), which no route declares itself."""

from collections.abc import Mapping

from litestar import Litestar
from litestar.routes import HTTPRoute

from app.http.answering.problems import allowed
from app.http.middleware.request_context import Application, Message, Receive, Scope, Send
from app.http.middleware.request_head import METHODS

_NOTED = ("path_template", "extra_headers")
"""Entries of the scope that the application sets for the middleware around it."""


class Methods:
    """Answers HEAD and OPTIONS. `methods` holds the methods of each route by its template.

    HEAD is GET without the body. The answer is complete with its head, so that a stream ends there.
    """

    def __init__(self, application: Application, methods: Mapping[str, frozenset[str]]) -> None:
        self._application, self._methods = application, methods

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle HEAD and OPTIONS, and pass every other method on."""
        if scope["type"] == "http" and scope["method"] == "HEAD":
            await self._head(scope, receive, send)
        elif scope["type"] == "http" and scope["method"] == "OPTIONS":
            await self._options(scope, receive, send)
        else:
            await self._application(scope, receive, send)

    async def _head(self, scope: Scope, receive: Receive, send: Send) -> None:
        inner: Scope = {**scope, "method": "GET"}

        async def bodiless(message: Message) -> None:
            if message["type"] == "http.response.start":
                scope.update({name: inner[name] for name in _NOTED if name in inner})
                await send(message)
                await send({"type": "http.response.body", "body": b""})

        await self._application(inner, receive, bodiless)

    async def _options(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] == "*":  # of the server, not of a route
            headers = [(b"allow", ", ".join(sorted(METHODS)).encode())]
            await send({"type": "http.response.start", "status": 204, "headers": headers})
            await send({"type": "http.response.body", "body": b""})
            return

        async def complete(message: Message) -> None:
            if message["type"] == "http.response.start" and message["status"] == 204:
                others = [(name, value) for name, value in message["headers"] if name.lower() != b"allow"]
                methods = allowed(self._methods.get(scope["path_template"], ()))
                message["headers"] = [*others, (b"allow", methods.encode())]
            await send(message)

        await self._application(scope, receive, complete)


def methods_of(app: Litestar) -> dict[str, frozenset[str]]:
    """Collect the methods of every route by its template."""
    found: dict[str, frozenset[str]] = {}
    for route in app.routes:
        if isinstance(route, HTTPRoute):
            found[route.path_format] = found.get(route.path_format, frozenset()) | frozenset(map(str, route.methods))
    return found
