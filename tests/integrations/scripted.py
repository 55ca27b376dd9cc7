"""An upstream on a real socket with scripted answers: status and body, silence, or a closed connection."""

import asyncio
import contextlib
import json
import ssl
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl


@dataclass
class Asked:
    """One request as it arrived."""

    method: str
    path: str
    headers: dict[str, str]
    form: dict[str, str]


@dataclass
class Reply:
    """One answer. `drop` closes the connection instead; `hang` says nothing for so many seconds first; `raw` is the
    whole answer as it goes over the wire, after which the connection is closed."""

    body: Any = ""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    drop: bool = False
    hang: float = 0.0
    raw: bytes | None = None

    def encoded(self) -> bytes:
        if self.raw is not None:
            return self.raw
        content = self.body if isinstance(self.body, bytes) else None
        if content is None:
            content = (self.body if isinstance(self.body, str) else json.dumps(self.body)).encode()
        lines = [f"HTTP/1.1 {self.status} Scripted", f"Content-Length: {len(content)}"]
        lines += [f"{name}: {value}" for name, value in self.headers.items()]
        return "\r\n".join(lines).encode() + b"\r\n\r\n" + content


class Upstream:
    """Replies in order, the last one forever. `answer` instead decides by the request."""

    def __init__(self) -> None:
        self.replies: list[Reply] = []
        self.answer: Callable[[Asked], Reply] | None = None
        self.asked: list[Asked] = []
        self.connections = 0
        self.url = ""

    def will(self, *replies: Reply) -> "Upstream":
        self.replies, self.answer, self.asked = list(replies), None, []
        return self

    def forms(self) -> list[dict[str, str]]:
        return [each.form for each in self.asked]

    def _next(self, asked: Asked) -> Reply:
        self.asked.append(asked)
        if self.answer:
            return self.answer(asked)
        return self.replies.pop(0) if len(self.replies) > 1 else self.replies[0]

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            while (asked := await _read(reader)) is not None:
                reply = self._next(asked)
                await asyncio.sleep(reply.hang)
                if reply.drop:
                    break
                writer.write(reply.encoded())
                await writer.drain()
                if reply.raw is not None:
                    break
        writer.close()


async def _read(reader: asyncio.StreamReader) -> Asked | None:
    try:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
    except asyncio.IncompleteReadError:
        return None
    first, *lines = head.strip().split("\r\n")
    headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
    body = await reader.readexactly(int(headers.get("content-length", 0)))
    method, path, _ = first.split(" ")
    return Asked(method, path, headers, dict(parse_qsl(body.decode(), keep_blank_values=True)))


@contextlib.asynccontextmanager
async def scripted(tls: ssl.SSLContext | None = None) -> AsyncIterator[Upstream]:
    """Run an upstream; its connections end with it."""
    upstream = Upstream()
    tasks: set[asyncio.Task[None]] = set()

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.ensure_future(upstream.serve(reader, writer))
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    server = await asyncio.start_server(accept, "127.0.0.1", 0, ssl=tls)
    upstream.url = f"{'https' if tls else 'http'}://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield upstream
    finally:
        server.close()
        for task in list(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
