"""Tell whoever supervises this process how it is doing: systemd where it asked (`Type=notify`, `WatchdogSec=`), and a
file's modification time for everybody else. Where nobody asked, nothing happens.

Most supervisors restart what has ended and not what hangs. So a process that is `guarded` ends by itself when it has
said nothing for too long, and writes down where each of its threads stood.
"""

import contextlib
import faulthandler
import os
import socket
from collections.abc import Iterator
from pathlib import Path

READY = "READY=1"
STOPPING = "STOPPING=1"
ALIVE = "WATCHDOG=1"
HEARTBEAT_FILE = "HEARTBEAT_FILE"
"""Environment variable: the file to touch with every heartbeat."""
SEND_SECONDS = 2.0
"""How long the start and the end of a process may wait for room in the supervisor's queue. Heartbeats never wait."""
END_SECONDS = 30.0
"""How long a process may take to end. Less than its supervisor waits before it kills (`deploy/`)."""

_guard_seconds = 0.0


def notify(state: str) -> None:
    """Send systemd one state. It may be gone or read nothing: no reason to fail, and none to stand still."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address.startswith(("/", "@")):
        return
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as told:
        told.settimeout(0.0 if state == ALIVE else SEND_SECONDS)
        told.connect("\0" + address[1:] if address[0] == "@" else address)
        told.sendall(state.encode())


@contextlib.contextmanager
def guarded(seconds: float) -> Iterator[None]:
    """Within the block end this process, with its stacks in the log and exit status 1, when there was no heartbeat for
    so long; 0 for never. A thread of C watches, so it does not matter who holds the interpreter. After the block the
    process has `END_SECONDS` to end, and is ended in the same way when it does not."""
    global _guard_seconds
    _guard_seconds = seconds
    if seconds:
        faulthandler.dump_traceback_later(seconds, exit=True)
    try:
        yield
    finally:
        unguard()
        faulthandler.dump_traceback_later(END_SECONDS, exit=True)


def unguard() -> None:
    """The end of this process is near, and takes the time it takes."""
    global _guard_seconds
    if _guard_seconds:
        _guard_seconds = 0.0
        faulthandler.cancel_dump_traceback_later()


def heartbeat() -> None:
    """Say that this process gets its work done; to be called every few seconds."""
    if _guard_seconds:
        faulthandler.dump_traceback_later(_guard_seconds, exit=True)
    notify(ALIVE)
    if path := os.environ.get(HEARTBEAT_FILE):
        with contextlib.suppress(OSError):
            Path(path).touch()
