"""Tell whoever supervises this process how it is doing: systemd where it asked (`Type=notify`, `WatchdogSec=`), and a
file's modification time for everybody else. Where nobody asked, nothing happens."""

import contextlib
import os
import socket
from pathlib import Path

READY = "READY=1"
STOPPING = "STOPPING=1"
ALIVE = "WATCHDOG=1"
HEARTBEAT_FILE = "HEARTBEAT_FILE"
"""Environment variable: the file to touch with every heartbeat."""


def notify(state: str) -> None:
    """Send systemd one state. It may be gone; that is no reason to fail."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address.startswith(("/", "@")):
        return
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as told:
        told.connect("\0" + address[1:] if address[0] == "@" else address)
        told.sendall(state.encode())


def heartbeat() -> None:
    """Say that this process gets its work done; to be called every few seconds."""
    notify(ALIVE)
    if path := os.environ.get(HEARTBEAT_FILE):
        with contextlib.suppress(OSError):
            Path(path).touch()
