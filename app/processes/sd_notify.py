"""Status notifications to the supervisor: systemd where it asks (`Type=notify`, `WatchdogSec=`), and a heartbeat file.

Without either, nothing is sent. Most supervisors restart a process that ended and not one that hangs. So a `guarded`
process ends itself when it has sent no heartbeat for too long, and logs the stack of each of its threads.
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
"""How long a start or stop notification may wait for room in the supervisor's queue. Heartbeats never wait."""
END_SECONDS = 30.0
"""How long a process may take to end. Less than its supervisor waits before it kills (`deploy/`)."""

_guard_seconds = 0.0


def notify(state: str) -> None:
    """Send systemd a state. Its absence is no reason to fail or to block."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address.startswith(("/", "@")):
        return
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as told:
        told.settimeout(0.0 if state == ALIVE else SEND_SECONDS)
        told.connect("\0" + address[1:] if address[0] == "@" else address)
        told.sendall(state.encode())


@contextlib.contextmanager
def guarded(seconds: float) -> Iterator[None]:
    """End this process if there is no heartbeat for `seconds` within the block; 0 disables it.

    It then exits with status 1 and its stacks in the log. The timer is a C thread, so the interpreter lock does not
    matter. After the block the process has `END_SECONDS` to end, and is ended in the same way if it does not.
    """
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
    """Stop the watchdog: this process is ending, and may take its time."""
    global _guard_seconds
    if _guard_seconds:
        _guard_seconds = 0.0
        faulthandler.cancel_dump_traceback_later()


def heartbeat() -> None:
    """Report that this process makes progress; call every few seconds."""
    if _guard_seconds:
        faulthandler.dump_traceback_later(_guard_seconds, exit=True)
    notify(ALIVE)
    if path := os.environ.get(HEARTBEAT_FILE):
        with contextlib.suppress(OSError):
            Path(path).touch()
