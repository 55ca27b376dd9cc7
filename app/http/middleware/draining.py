"""The last moments of a server: every answer ends its connection, so that no client sends into one that is closed."""

from app.http.middleware.request_context import Application, Message, Receive, Scope, Send

_CLOSE = (b"connection", b"close")


class Draining:
    """Outermost but for the frame. `begun` once the end is near."""

    def __init__(self, application: Application) -> None:
        self._application = application
        self.begun = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass through; from `begin` on, with an end to the connection."""
        if scope["type"] != "http":
            await self._application(scope, receive, send)
            return

        async def closing(message: Message) -> None:
            if self.begun and message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", ()), _CLOSE]
            await send(message)

        await self._application(scope, receive, closing)
