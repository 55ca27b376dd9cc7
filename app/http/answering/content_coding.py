"""Content negotiation: send answers as gzip or plain, as `Accept-Encoding` says (RFC 9110, 12.5.3)."""

import gzip
import re
from enum import IntEnum
from functools import lru_cache

from app.http.middleware.request_context import Application, Message, Receive, Scope, Send

_OTHER = (b"content-length", b"etag", b"vary")
_WEIGHT = re.compile(r"(?:0(?:\.[0-9]{0,3})?|1(?:\.0{0,3})?)")
_LEAST = 0.0001
"""The weight of plain bytes where the header does not name them: acceptable, but less than any named coding."""
PACKING_LEVEL = 5


class Gzip(IntEnum):
    """A caller's attitude to gzip. `NEEDED`: it refuses plain bytes."""

    REFUSED = 0
    WELCOME = 1
    NEEDED = 2


@lru_cache(maxsize=256)
def accepted_gzip(accept_encoding: bytes) -> Gzip:
    """Parse what a field value says of gzip, its lines joined by commas. An invalid weight counts as 0."""
    weights: dict[str, float] = {}
    for item in accept_encoding.decode("latin-1").lower().split(","):
        name, *parameters = (part.strip() for part in item.split(";"))
        given = [each.removeprefix("q=").strip() for each in parameters if each.startswith("q=")]
        usable = all(_WEIGHT.fullmatch(each) for each in given)
        weights["gzip" if name == "x-gzip" else name] = (float(given[0]) if given else 1.0) if usable else 0.0
    packed, plain = weights.get("gzip", weights.get("*", 0.0)), weights.get("identity", weights.get("*", _LEAST))
    if not packed or packed < plain:
        return Gzip.REFUSED
    return Gzip.WELCOME if plain else Gzip.NEEDED


class ContentCoding:
    """Compresses the answers of the application for callers that refuse plain bytes."""

    def __init__(self, application: Application) -> None:
        self._application = application

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Compress for callers that refuse plain bytes, and pass every other request on."""
        lines = [value for name, value in scope["headers"] if name == b"accept-encoding"] if "headers" in scope else []
        if scope["type"] != "http" or not lines or accepted_gzip(b",".join(lines)) is not Gzip.NEEDED:
            await self._application(scope, receive, send)
            return
        packing = _Packing(send)
        await self._application(scope, receive, packing.send)


class _Packing:
    """Holds an answer back until it is complete, then sends it compressed. Streams and empty answers stay plain."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self._start: Message | None = None
        self._body = bytearray()

    async def send(self, message: Message) -> None:
        """Buffer or pass on a message."""
        if message["type"] == "http.response.start" and not _streams(message):
            self._start = message
            return
        if self._start is None:
            await self._send(message)
            return
        self._body += message.get("body", b"")
        if not message.get("more_body", False):
            start, self._start = self._start, None
            body = gzip.compress(self._body, PACKING_LEVEL, mtime=0) if self._body else b""
            await self._send(_packed(start, body) if body else start)
            await self._send({"type": "http.response.body", "body": body})


def _streams(start: Message) -> bool:
    kinds = [value for name, value in start["headers"] if name.lower() == b"content-type"]
    return any(kind.startswith(b"text/event-stream") for kind in kinds)


def _packed(start: Message, body: bytes) -> Message:
    """Adapt the head to the compressed body. Its validator becomes weak, because the bytes differ."""
    headers = {name.lower(): value for name, value in start["headers"]}
    own = [(name, value) for name, value in start["headers"] if name.lower() not in _OTHER]
    vary = headers.get(b"vary", b"")
    if b"accept-encoding" not in vary.lower():
        vary = b"Accept-Encoding" + (b", " + vary if vary else b"")
    etag = headers.get(b"etag")
    weak = [(b"etag", etag if etag.startswith(b"W/") else b"W/" + etag)] if etag else []
    changed = [(b"content-length", b"%d" % len(body)), (b"content-encoding", b"gzip"), (b"vary", vary), *weak]
    return {**start, "headers": [*own, *changed]}
