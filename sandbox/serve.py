"""HTTP servers in one event loop: the same application over http and https, on sockets that are bound already."""

import asyncio
import socket
from typing import Any

import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from sandbox.faults.gate import ABORT
from sandbox.tls import Certificates

KEEP_ALIVE_SECONDS = 120
GRACE_SECONDS = 1


class Protocol(HttpToolsProtocol):
    """Lets an application cut the connection without an answer."""

    def on_message_begin(self) -> None:
        """Offer that in the scope of each request."""
        super().on_message_begin()
        scope: Any = self.scope
        scope["extensions"] = {ABORT: self.transport.abort}


class Server:
    """One listener. Signals are the process's business, not its."""

    def __init__(self, app: ASGIApp, sock: socket.socket, files: Certificates | None = None) -> None:
        self.port = int(sock.getsockname()[1])
        self._socket = sock
        self._config = uvicorn.Config(
            app,
            http=Protocol,
            ws="none",
            lifespan="off",
            log_level="error",
            access_log=False,
            server_header=False,
            date_header=False,
            timeout_keep_alive=KEEP_ALIVE_SECONDS,
            timeout_graceful_shutdown=GRACE_SECONDS,
            ssl_certfile=files.certificate_file if files else None,
            ssl_keyfile=files.key_file if files else None,
        )
        self._server = uvicorn.Server(self._config)

    async def start(self) -> None:
        """Accept from now on."""
        self._config.load()
        self._server.lifespan = self._config.lifespan_class(self._config)
        await self._server.startup(sockets=[self._socket])

    async def stop(self) -> None:
        """Close; requests in flight have a second."""
        await self._server.shutdown(sockets=[self._socket])


async def stop_all(servers: list[Server]) -> None:
    """Stop them together."""
    await asyncio.gather(*(server.stop() for server in servers))
