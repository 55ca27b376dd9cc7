"""One pipelined connection to Redis for hot reads: all commands of one turn of the event loop leave as one write.

Redis is an optimisation only: a command that fails, or finds no connection, returns None at once and is never retried.
A server that owes an answer for too long is disconnected, and sent nothing until it has answered the handshake of a new
connection. The client library serves everything else; per command this costs a tenth of it.
"""

import asyncio
import ssl
from collections import deque
from typing import Any

import hiredis
import structlog
from redis.asyncio.connection import SSLConnection, parse_url

from app.tasks import Background

CONNECT_SECONDS = 1.0
RETRY_SECONDS = 0.5
PATIENCE_SECONDS = 0.25
"""A server that does not answer for this long is disconnected."""
MOST_WAITING = 20_000

log = structlog.get_logger()


class RedisPipeline(asyncio.Protocol):
    """The connection: opened by `open`, and reopened after any interruption until `close`."""

    def __init__(self, url: str) -> None:
        self._server = parse_url(url)
        self._transport: asyncio.Transport | None = None
        self._waiting: deque[asyncio.Future[Any] | None] = deque()
        self._unsent: list[bytes] = []
        self._reader = hiredis.Reader()
        self._lost = asyncio.Event()
        self._background = Background("redis_pipeline")
        self._checking: asyncio.TimerHandle | None = None
        self._ready = False

    @property
    def works(self) -> bool:
        """True if Redis is connected and has answered the handshake."""
        return self._transport is not None and self._ready

    def open(self) -> None:
        """Begin to connect in the background."""
        self._background.start(self._stay_connected())

    async def close(self) -> None:
        """Disconnect, and do not reconnect."""
        await self._background.close()

    def begin(self, *words: bytes) -> "asyncio.Future[Any] | None":
        """Send a command and return its future answer; None without a connection."""
        if not self.works:
            return None
        future = asyncio.get_running_loop().create_future()
        return future if self._send(words, future) else None

    async def call(self, *words: bytes) -> Any:
        """Send a command and return its answer; None if Redis fails or is away."""
        future = self.begin(*words)
        return await future if future else None

    def send(self, *words: bytes) -> None:
        """Send a command whose answer is not needed."""
        if self.works:
            self._send(words, None)

    def _send(self, words: tuple[bytes, ...], future: "asyncio.Future[Any] | None") -> bool:
        if self._transport is None or len(self._waiting) >= MOST_WAITING:
            return False
        if not self._unsent:
            asyncio.get_running_loop().call_soon(self._flush)
        self._unsent.append(b"*%d\r\n" % len(words))
        self._unsent += [b"$%d\r\n%b\r\n" % (len(word), word) for word in words]
        self._waiting.append(future)
        return True

    def _flush(self) -> None:
        unsent, self._unsent = self._unsent, []
        if self._transport is not None:
            self._transport.write(b"".join(unsent))
            if self._checking is None:
                self._check()

    def _check(self, head: object = None) -> None:
        """Disconnect a server that has owed the same answer since the last check."""
        self._checking = None
        if not self._waiting or self._transport is None:
            return
        if head is not None and self._waiting[0] is head:
            self._transport.abort()
            return
        self._waiting[0] = self._waiting[0] or asyncio.get_running_loop().create_future()
        self._checking = asyncio.get_running_loop().call_later(PATIENCE_SECONDS, self._check, self._waiting[0])

    def data_received(self, data: bytes) -> None:
        """Resolve the waiting futures in order."""
        self._reader.feed(data)
        while self._waiting and (answer := self._reader.gets()) is not False:
            future = self._waiting.popleft()
            if future is not None and not future.done():
                future.set_result(None if isinstance(answer, Exception) else answer)

    def connection_lost(self, exc: Exception | None) -> None:
        """Resolve all waiting futures with None."""
        self._transport, self._ready = None, False
        waiting, self._waiting = self._waiting, deque()
        self._unsent = []
        for future in waiting:
            if future is not None and not future.done():
                future.set_result(None)
        self._lost.set()

    async def _stay_connected(self) -> None:
        while True:
            try:
                await self._connect()
                await self._lost.wait()
                log.warning("redis_unavailable_answering_without")
            except (OSError, TimeoutError) as error:
                log.debug("redis_not_reached", error=repr(error))
            finally:
                if self._transport is not None:
                    self._transport.abort()
            await asyncio.sleep(RETRY_SECONDS)

    async def _connect(self) -> None:
        loop, server = asyncio.get_running_loop(), self._server
        self._reader, self._lost = hiredis.Reader(), asyncio.Event()
        async with asyncio.timeout(CONNECT_SECONDS):
            if path := server.get("path"):
                transport, _ = await loop.create_unix_connection(lambda: self, path)
            else:
                secured = server.get("connection_class") is SSLConnection
                context = ssl.create_default_context() if secured else None
                host, port = server.get("host", "localhost"), server.get("port", 6379)
                transport, _ = await loop.create_connection(lambda: self, host, port, ssl=context)
            self._transport = transport
            await self._handshake()

    async def _handshake(self) -> None:
        """Authenticate and select the database; until both are answered, no other command is sent."""
        if password := self._server.get("password"):
            username = self._server.get("username") or "default"
            await self._handshake_command(b"AUTH", username.encode(), password.encode())
        await self._handshake_command(b"SELECT", b"%d" % int(self._server.get("db") or 0))
        self._ready = self._transport is not None

    async def _handshake_command(self, *words: bytes) -> None:
        future = asyncio.get_running_loop().create_future()
        if self._send(words, future):
            await future
