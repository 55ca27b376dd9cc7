"""Processes as a supervisor runs them: told when they are ready, asked to stop, and replaced one beside the other."""

import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType

READY_SECONDS = 120
STOP_SECONDS = 120
PASS_SOCKET = """
import os, sys
os.dup2(int(sys.argv[1]), 3)
os.environ |= {"LISTEN_FDS": "1", "LISTEN_PID": str(os.getpid())}
os.execv(sys.executable, [sys.executable, *sys.argv[2:]])
"""
"""Systemd's protocol: the socket is file descriptor 3, and the process is told that it is meant."""


SWEEP_RACE = "Upkeep task failed unexpectedly"
"""SAQ's sweep met a job between being taken and being marked as taken. It goes on; a job is only a wake-up."""


class Process:
    """One process, from its start until it is ready, until it has ended."""

    def __init__(
        self, name: str, environment: dict[str, str], home: Path, listening: socket.socket | None = None
    ) -> None:
        self.name, self.log = name, home / f"{name}-{time.monotonic_ns()}.log"
        address = home / f"{time.monotonic_ns()}.notify"
        self._notices = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._notices.bind(str(address))
        environment = {**environment, "NOTIFY_SOCKET": str(address)}
        argv, passed = ["-m", "app.cli", name], ()
        if listening is not None:
            argv, passed = ["-c", PASS_SOCKET, str(listening.fileno()), *argv], (listening.fileno(),)
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, *argv], env=environment, pass_fds=passed, stdout=log, stderr=log
            )

    def __enter__(self) -> "Process":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        self.process.kill()
        self.process.wait()
        self._notices.close()

    def until_ready(self) -> "Process":
        """Wait until it says that it is."""
        self._notices.settimeout(1)
        deadline = time.monotonic() + READY_SECONDS
        while time.monotonic() < deadline:
            assert self.process.poll() is None, self.log.read_text()
            try:
                if self._notices.recv(100) == b"READY=1":
                    return self
            except TimeoutError:
                continue
        raise AssertionError(f"{self.name} was not ready: {self.log.read_text()}")

    def stop(self) -> float:
        """SIGTERM; the seconds it took to end by itself, with exit status 0."""
        started = time.monotonic()
        self.process.send_signal(signal.SIGTERM)
        assert self.process.wait(STOP_SECONDS) == 0, self.log.read_text()
        self._notices.close()
        return time.monotonic() - started

    def complaints(self) -> list[str]:
        """What it logged as an error, or did not log at all but print."""
        lines = [line for line in self.log.read_text().splitlines() if line.strip() and SWEEP_RACE not in line]
        return [line for line in lines if '"level": "error"' in line or not line.startswith("{")]


def listening_socket() -> socket.socket:
    """What systemd keeps open while servers come and go."""
    return socket.create_server(("127.0.0.1", 0), backlog=1024)
