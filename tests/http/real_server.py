"""The API behind its real server, in this event loop."""

import asyncio
import contextlib
import os
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from app.http.app import build
from app.processes.api import Server
from app.settings import Settings


class _Here(Server):
    """Signals of the process are not for it."""

    capture_signals = contextlib.nullcontext  # type: ignore[assignment]


@asynccontextmanager
async def on_server(settings: Settings, *, lent: bool = False) -> AsyncIterator[tuple[Server, int]]:
    """Run the server and yield it with its port. At the end of the block it stops, and running requests are
    answered."""
    server, listening = (
        _Here(build(settings), settings, lent=lent, parent=os.getppid()),
        socket.create_server(("127.0.0.1", 0)),
    )
    port = listening.getsockname()[1]
    task = asyncio.create_task(server.serve([listening]))
    while not server.started and not task.done():
        await asyncio.sleep(0.01)
    try:
        yield server, port
    finally:
        server.should_exit = True
        await task
