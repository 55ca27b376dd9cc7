"""The last moments of a server: every answer ends its connection, so that no client sends into one that is closed."""

import asyncio
import signal
from collections.abc import Callable

from litestar import Litestar

from app.http.frame import Application, Message, Receive, Scope, Send

_CLOSE = (b"connection", b"close")


class Draining:
    """Outermost but for the frame. `begun` once the end is near."""

    def __init__(self, application: Application) -> None:
        self._application = application
        self.begun = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass through; from `begin` on, with an end to the connection."""
        if scope["type"] != "http" or scope.get("http_version") == "2":
            await self._application(scope, receive, send)
            return

        async def closing(message: Message) -> None:
            if self.begun and message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", ()), _CLOSE]
            await send(message)

        await self._application(scope, receive, closing)


def drain_on(app: Litestar, number: signal.Signals, stop_accepting: Callable[[], None]) -> None:
    """Begin when this process gets that signal: event streams end, and the health check says 503."""

    def begin() -> None:
        stop_accepting()
        app.state.draining.begun = True
        app.state.doorbells.end_streams()

    async def listen() -> None:
        asyncio.get_running_loop().add_signal_handler(number, begin)

    app.on_startup.append(listen)
