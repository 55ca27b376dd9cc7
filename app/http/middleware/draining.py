"""Draining: while a server shuts down every answer ends its connection, so that no client sends into a closed one."""

from app.http.middleware.request_context import Application, Message, Receive, Scope, Send

_CLOSE = (b"connection", b"close")


class Draining:
    """Adds `Connection: close` to every answer once `begun` is set."""

    def __init__(self, application: Application) -> None:
        self._application = application
        self.begun = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, and end its connection while the server drains."""
        if scope["type"] != "http":
            await self._application(scope, receive, send)
            return

        async def closing(message: Message) -> None:
            if self.begun and message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", ()), _CLOSE]
            await send(message)

        await self._application(scope, receive, closing)
