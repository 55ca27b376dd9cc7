"""Ports on loopback, remembered in a file so that a restarted sandbox comes back where it was."""

import json
import random
import socket
import time
from pathlib import Path

LOWEST, HIGHEST = 20_000, 31_999
"""Below the range of outgoing connections, so that no other process takes the ports during a restart."""
ATTEMPTS = 200
PATIENCE_SECONDS = 10.0


class Ports:
    """Port numbers by name."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._patient_until = 0.0
        self._known: dict[str, int] = json.loads(file.read_text()) if file.exists() else {}

    def listening(self, name: str) -> socket.socket:
        """Bind a socket: on the known port of this name, or on a free one when it has none or another process took it.

        The previous sandbox may still be shutting down, which takes a moment on a busy machine.
        """
        bound = self._known_again(self._known[name]) if name in self._known else None
        for _ in range(ATTEMPTS):
            if bound is not None:
                self._known[name] = bound.getsockname()[1]
                return bound
            bound = _bound(random.randint(LOWEST, HIGHEST))
        raise OSError(f"no free port between {LOWEST} and {HIGHEST}")

    def _known_again(self, port: int) -> socket.socket | None:
        """Bind the port of the previous process. One time limit covers the waits for all ports."""
        while (bound := _bound(port)) is None:
            now = time.monotonic()
            self._patient_until = self._patient_until or now + PATIENCE_SECONDS
            if now > self._patient_until:
                return None
            time.sleep(0.05)
        return bound

    def number(self, name: str) -> int:
        """Return a port for a server that binds by itself."""
        with self.listening(name) as probe:
            return int(probe.getsockname()[1])

    def save(self) -> None:
        """Remember them."""
        self._file.write_text(json.dumps(self._known, indent=1))


def _bound(port: int) -> socket.socket | None:
    # asyncio switches Nagle off only for sockets that name their protocol; with it every answer takes 40 ms.
    made = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        made.bind(("127.0.0.1", port))
        made.listen(512)
    except OSError:
        made.close()
        return None
    return made
