"""The root of an API process: one worker of `portal api`, which serves a listening socket until it is told to stop."""

import asyncio
import contextlib
import ctypes
import functools
import os
import signal
import socket
from collections.abc import Iterator

import uvicorn
from litestar import Litestar

from app import settings
from app.http.app import build
from app.http.fast.connection import HttpConnection
from app.http.fast.connection_slots import ConnectionSlots
from app.http.fast.hot_connection import HotConnection
from app.logs import configure
from app.processes import gc_tuning
from app.processes.prefork import BACKLOG, STOP_SECONDS
from app.processes.sd_notify import READY, guarded, heartbeat, notify, unguard
from app.settings import Settings

SPARE = 256
"""Connections on top of event streams and requests: health probes, and refused or idle connections."""
LOOK_TICKS = 20
"""Ticks between two checks of every connection; a tick is a tenth of a second."""
_PR_SET_PDEATHSIG = 1


def run(listening: socket.socket, *, lent: bool, parent: int) -> None:
    """Serve until SIGTERM.

    `lent` is true for a socket whose owner passes new connections to others once this process stops accepting.
    """
    _end_with(parent)
    loaded = settings.load()
    configure(loaded)
    with guarded(loaded.watchdog_seconds):
        Server(build(loaded), loaded, lent=lent, parent=parent).run([listening])


def configuration(app: Litestar, loaded: Settings) -> uvicorn.Config:
    """Configure uvicorn for the application."""
    most = loaded.event_streams + loaded.requests_at_once + SPARE
    return uvicorn.Config(
        app,
        http=functools.partial(HotConnection, app.state.fast_path, ConnectionSlots(most, loaded)),  # type: ignore[arg-type]
        ws="none",
        loop="uvloop",
        interface="asgi3",
        lifespan="on",
        backlog=BACKLOG,
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=STOP_SECONDS,
    )


class Server(uvicorn.Server):
    """The uvicorn server of one worker: reports readiness, checks its connections, and drains before it stops.

    While draining, for `api_drain_seconds`, every answer closes its connection, event streams end, and the health check
    answers 503.
    """

    def __init__(self, app: Litestar, loaded: Settings, *, lent: bool, parent: int) -> None:
        super().__init__(configuration(app, loaded))
        self.app, self._lent, self._parent = app, lent, parent
        self._drain_seconds = loaded.api_drain_seconds

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Open everything, begin to accept, and notify the supervisor."""
        await super().startup(sockets)
        gc_tuning.settle()  # repeated full collections cost a third of a read from Postgres
        notify(READY)

    async def on_tick(self, counter: int) -> bool:
        """Send the heartbeat and check connections; called ten times a second."""
        if counter % LOOK_TICKS == 0:
            heartbeat()
            now = asyncio.get_running_loop().time()
            for connection in list(self.server_state.connections):
                if isinstance(connection, HttpConnection):
                    connection.check_progress(now)
        return await super().on_tick(counter)

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Treat both signals alike, however often they arrive."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.leave)
        yield

    def leave(self) -> None:
        """Begin to drain.

        New connections are accepted meanwhile unless another process accepts them. A worker whose parent was killed
        stops at once, to free the port for its replacement.
        """
        if self.app.state.draining.begun or not self.started:
            self.should_exit = self.should_exit or not self.started
            return
        unguard()  # a worker that takes too long to stop is killed by the parent
        self.app.state.draining.begun = True
        self.app.state.subscribers.end_streams()
        orphaned = os.getppid() != self._parent
        if self._lent or orphaned:
            for server in self.servers:
                server.close()
        wait_seconds = 0.0 if orphaned else self._drain_seconds
        asyncio.get_running_loop().call_later(wait_seconds, setattr, self, "should_exit", True)


def _end_with(parent: int) -> None:
    """End this worker with its parent, so that it does not keep the port."""
    if prctl := getattr(ctypes.CDLL(None), "prctl", None):  # Linux alone has it
        prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != parent:
        os.kill(os.getpid(), signal.SIGTERM)
