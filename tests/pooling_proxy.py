"""A pooler in transaction mode: each transaction of a client meets whichever session of Postgres is free."""

import asyncio
import contextlib
from collections import deque
from types import TracebackType
from urllib.parse import urlsplit

SSL_REQUEST = 80877103
Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class PoolingProxy:
    """Lets clients log in through to Postgres, and keeps as many of the sessions that makes as it has `size`.

    `pooled` False: as a pooler in session mode, every client keeps its own.
    """

    def __init__(self, database_url: str, *, size: int = 2, last_first: bool = True, pooled: bool = True) -> None:
        self._parts = urlsplit(database_url)
        self._size, self._last_first, self._pooled = size, last_first, pooled
        self._sessions: deque[Streams] = deque()
        self._made = 0
        self._freed = asyncio.Condition()
        self._clients: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> str:
        self._server = await asyncio.start_server(self._begin, "127.0.0.1", 0)
        port = self._server.sockets[0].getsockname()[1]
        netloc = f"{self._parts.username}:{self._parts.password}@127.0.0.1:{port}"
        return self._parts._replace(netloc=netloc).geturl()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        self._server.close()
        for task in list(self._clients):
            task.cancel()
        for _, writer in self._sessions:
            writer.close()

    async def _begin(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._clients.add(task)
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            await self._serve(reader, writer)
        writer.close()
        self._clients.discard(task)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        own = await self._log_in(reader, writer)
        if self._pooled:
            await self._keep(own)
        while True:
            message = await _message(reader)
            if message[:1] == b"X":
                if not self._pooled:
                    own[1].close()
                return
            session = own if not self._pooled else await self._take()
            try:
                await self._transaction(message, reader, writer, session)
            except BaseException:
                session[1].close()  # in the middle of something; the next client to log in brings another
                self._made -= 1
                raise
            if self._pooled:
                await self._give_back(session)

    async def _log_in(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> Streams:
        startup = await _untyped(reader)
        if int.from_bytes(startup[4:8], "big") == SSL_REQUEST:
            writer.write(b"N")
            startup = await _untyped(reader)
        session = await asyncio.open_connection(self._parts.hostname, self._parts.port)
        session[1].write(startup)
        while True:
            answer = await _message(session[0])
            writer.write(answer)
            if answer[:1] == b"Z":
                return session
            if answer[:1] == b"R" and int.from_bytes(answer[5:9], "big") in (3, 5, 10, 11):
                session[1].write(await _message(reader))

    async def _transaction(
        self, message: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, session: Streams
    ) -> None:
        session[1].write(message)
        asking, answering = asyncio.create_task(_message(reader)), asyncio.create_task(_message(session[0]))
        try:
            while True:
                await asyncio.wait([asking, answering], return_when=asyncio.FIRST_COMPLETED)
                if answering.done():
                    answer = answering.result()
                    writer.write(answer)
                    if answer[:1] == b"Z" and answer[5:6] == b"I":
                        return  # nothing more was read: clients wait for the answer
                    answering = asyncio.create_task(_message(session[0]))
                elif asking.done():
                    session[1].write(asking.result())
                    asking = asyncio.create_task(_message(reader))
        finally:
            for task in (asking, answering):
                task.cancel()
            await asyncio.gather(asking, answering, return_exceptions=True)

    async def _keep(self, session: Streams) -> None:
        if self._made >= self._size:
            session[1].close()
            return
        self._made += 1
        await self._give_back(session)

    async def _take(self) -> Streams:
        async with self._freed:
            await self._freed.wait_for(lambda: bool(self._sessions))
            return self._sessions.pop() if self._last_first else self._sessions.popleft()

    async def _give_back(self, session: Streams) -> None:
        async with self._freed:
            self._sessions.append(session)
            self._freed.notify()


async def _untyped(reader: asyncio.StreamReader) -> bytes:
    length = await reader.readexactly(4)
    return length + await reader.readexactly(int.from_bytes(length, "big") - 4)


async def _message(reader: asyncio.StreamReader) -> bytes:
    head = await reader.readexactly(5)
    return head + await reader.readexactly(int.from_bytes(head[1:], "big") - 4)
