"""A clamd of its own on a real socket, as polite or as rude as a test needs it."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path


class Clamd:
    """A scanner daemon that records what it was sent. It answers `answer` unless the content holds one of `known`."""

    def __init__(self) -> None:
        self.address = ""
        self.known: dict[bytes, str] = {}
        self.answer: bytes | None = b"stream: OK\0"
        self.scanned: list[bytes] = []
        self.hangs_up_after_bytes: int | None = None
        self.parting_words = b"INSTREAM size limit exceeded. ERROR\0"
        self.open = 0
        self.most_open = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.open += 1
        self.most_open = max(self.most_open, self.open)
        try:
            with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
                await self._converse(reader, writer)
        finally:
            self.open -= 1
            writer.close()

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        assert await reader.readuntil(b"\0") == b"zINSTREAM\0"
        content = bytearray()
        while size := int.from_bytes(await reader.readexactly(4), "big"):
            content += await reader.readexactly(size)
            if self.hangs_up_after_bytes is not None and len(content) > self.hangs_up_after_bytes:
                writer.write(self.parting_words)
                await writer.drain()
                return
        self.scanned.append(bytes(content))
        found = next((name for sign, name in self.known.items() if sign in content), None)
        if found:
            writer.write(f"stream: {found} FOUND\0".encode())
        elif self.answer is None:
            await reader.read()  # says nothing until the other side has had enough
        else:
            writer.write(self.answer)
        await writer.drain()


@contextlib.asynccontextmanager
async def listening(folder: Path | None = None) -> AsyncIterator[Clamd]:
    """Run a clamd on a socket in a folder, or on a port of loopback."""
    clamd = Clamd()
    if folder:
        server = await asyncio.start_unix_server(clamd.serve, folder / "clamd.ctl")
        clamd.address = f"clamd:{folder / 'clamd.ctl'}"
    else:
        server = await asyncio.start_server(clamd.serve, "127.0.0.1", 0)
        clamd.address = f"clamd:127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield clamd
    finally:
        server.close()
