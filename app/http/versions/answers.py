"""Answers of a former version: held until they are complete, carried back, sent with a validator of their own."""

import structlog

from app.errors import PortalError
from app.http.middleware.deadlines import refuse
from app.http.middleware.request_context import Application, Message, Receive, Scope, Send
from app.http.versions.adapter import Adapter
from app.http.versions.event_stream import EventLines
from app.http.versions.negotiation import SERVED
from app.http.versions.requests import ADAPTER

JSON = (b"application/json", b"application/problem+json")
STREAM = b"text/event-stream"

log = structlog.get_logger()


class VersionedAnswers:
    """Carries the answers of the application back to the version of their request."""

    def __init__(self, application: Application) -> None:
        self._application = application

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on what the newest version answers, and carry back the rest."""
        if scope["type"] != "http" or SERVED not in scope or not scope[SERVED].adapters:
            await self._application(scope, receive, send)
        else:
            await self._application(scope, receive, _CarriedBack(scope, send).send)


class _CarriedBack:
    """The answer to one request. The operation is known when its answer begins."""

    def __init__(self, scope: Scope, send: Send) -> None:
        self._scope, self._send = scope, send
        self._adapter: Adapter | None = None
        self._start: Message | None = None
        self._events: EventLines | None = None
        self._body = bytearray()

    async def send(self, message: Message) -> None:
        """Hold or pass on a message."""
        if message["type"] == "http.response.start":
            await self._begin(message)
        elif self._events is not None:
            await self._send({**message, "body": self._events.carried_back(message.get("body", b""))})
        elif self._start is None or self._adapter is None:
            await self._send(message)
        else:
            self._body += message.get("body", b"")
            if not message.get("more_body", False):
                await self._end(self._start, self._adapter)

    async def _begin(self, start: Message) -> None:
        self._adapter = adapter = self._scope.get(ADAPTER)
        kind = next((value for name, value in start["headers"] if name.lower() == b"content-type"), b"")
        if adapter is not None and kind.startswith(STREAM) and adapter.changes_events:
            self._events = EventLines(adapter)
        elif adapter is not None and (kind.startswith(JSON) or not kind):
            self._start = start
            return
        await self._send(start)

    async def _end(self, start: Message, adapter: Adapter) -> None:
        try:
            status, body = adapter.answer(start["status"], bytes(self._body))
        except Exception:
            log.exception("answer_not_carried_back", version=self._scope[SERVED].name)
            await refuse(self._scope, self._send, PortalError())
            return
        headers = [_own(name, value, adapter) for name, value in start["headers"] if name.lower() != b"content-length"]
        kinds = [name for name, _ in headers if name.lower() == b"content-type"]
        headers += [(b"content-type", JSON[0])] if body and not kinds else []
        headers += [(b"content-length", b"%d" % len(body))] if status not in (204, 304) else []
        await self._send({**start, "status": status, "headers": headers})
        await self._send({"type": "http.response.body", "body": body})


def _own(name: bytes, value: bytes, adapter: Adapter) -> tuple[bytes, bytes]:
    if name.lower() == b"etag" and adapter.tags is not None:
        return name, adapter.tags.of(value.decode("latin-1")).encode("latin-1")
    return name, value
