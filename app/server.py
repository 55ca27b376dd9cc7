"""The HTTP server of `portal api`: granian, and what it takes to restart without losing a request.

Three things lose requests when a server ends. Connections that wait in the kernel to be accepted are reset when their
listening socket closes; so the socket may be handed in by whoever outlives us (systemd's protocol: LISTEN_FDS), who
keeps it open. A connection that was accepted but not read from yet is closed by the server's library; so with such a
socket the workers stop accepting first, and leave it to others. And a client that keeps connections open may send into
one that is just being closed; so for a little while before the end every answer says that its connection ends, event
streams end, and the health check asks load balancers to look elsewhere.
"""

import contextlib
import os
import signal
import socket
import stat
import time
from typing import Any

from granian._granian import SocketHolder
from granian.constants import Interfaces, Loops
from granian.server import MPServer

from app.notify import STOPPING, notify
from app.settings import Settings

DRAIN_SIGNAL = signal.SIGUSR1
"""Sent to the server's workers when the end is near."""
FIRST_PASSED_FD = 3
PASSED_INODE = "PORTAL_LISTENING_INODE"
"""Tells the workers by which inode to recognise the socket that was handed in."""
BACKLOG = 4_096
"""Connections that wait in the kernel to be accepted; as many as it allows by default."""
SPARE = 256
"""What the server may work on beside event streams and requests: probes, and whatever is refused. Its own bound must
lie above ours: it counts streams too, and stops reading requests instead of refusing them."""
STOP_SECONDS = 30
"""What answers may still take once nothing new is accepted."""


class Server(MPServer):
    """One a process. The workers are its children; signals go to it alone."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(
            "app.asgi:create_app",
            factory=True,
            interface=Interfaces.ASGI,
            address=settings.api_host,
            port=settings.api_port,
            workers=settings.api_workers,
            loop=Loops.uvloop,
            backlog=BACKLOG,
            backpressure=settings.event_streams + settings.requests_at_once + SPARE,
            workers_kill_timeout=STOP_SECONDS,
            log_enabled=False,
        )
        self._drain_seconds = settings.api_drain_seconds
        signal.signal(DRAIN_SIGNAL, signal.SIG_IGN)  # inherited: it must not end a worker that is still starting

    def signal_handler_interrupt(self, *args: Any, **kwargs: Any) -> None:
        """SIGTERM or SIGINT. A worker inherits this handler until it has one of its own; it serves nobody yet."""
        if self.pid is not None and os.getpid() != self.pid:
            os._exit(0)
        super().signal_handler_interrupt(*args, **kwargs)  # type: ignore[no-untyped-call]

    def shutdown(self, exit_code: int = 0) -> None:
        """Say that the end is near, wait, then end: what was begun is answered."""
        notify(STOPPING)
        workers: list[Any] = self.wrks
        alive = [worker for worker in workers if worker.is_alive()]
        for worker in alive:
            os.kill(worker.inner.pid, DRAIN_SIGNAL)
        if alive:
            time.sleep(self._drain_seconds)
        super().shutdown(exit_code)  # type: ignore[no-untyped-call]

    def _init_shared_socket(self) -> None:
        listening = passed_socket()
        if listening is None:
            super()._init_shared_socket()  # type: ignore[no-untyped-call]
            return
        holder: Any = SocketHolder
        self._ssp, self._sfd = None, listening.fileno()  # type: ignore[assignment]
        self._shd, self._sso = holder(self._sfd, False, self.backlog), listening


def passed_socket() -> socket.socket | None:
    """The listening socket that was handed to this very process, if one was."""
    if os.environ.get("LISTEN_PID") != str(os.getpid()) or os.environ.get("LISTEN_FDS", "0") == "0":
        return None
    listening = socket.socket(fileno=FIRST_PASSED_FD)
    listening.set_inheritable(True)
    listening.setblocking(False)
    os.environ[PASSED_INODE] = str(os.fstat(FIRST_PASSED_FD).st_ino)
    return listening


def stop_accepting() -> None:
    """In a worker: take no more connections off a socket that was handed in; another process takes them. Without one
    nobody else would, so then nothing changes.

    The library has no call for it. Its copies of the socket are replaced by one whose address nobody is told.
    """
    if PASSED_INODE not in os.environ:
        return
    inode = int(os.environ[PASSED_INODE])
    with socket.create_server(("127.0.0.1", 0), backlog=1) as unknown:
        unknown.setblocking(False)
        for fd in _open_fds():
            with contextlib.suppress(OSError):
                if os.fstat(fd).st_ino == inode and stat.S_ISSOCK(os.fstat(fd).st_mode):
                    os.dup2(unknown.fileno(), fd)


def _open_fds() -> list[int]:
    try:
        return [int(name) for name in os.listdir("/proc/self/fd")]
    except FileNotFoundError:  # not Linux, where nobody hands in sockets either
        return []
