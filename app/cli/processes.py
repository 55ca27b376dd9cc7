"""Child processes: started in order, watched, restarted when they die, stopped in reverse.

Every child leads a process group of its own and asks the kernel to be killed when we die, so that even `kill -9` of the
supervisor leaves nothing behind.
"""

import contextlib
import ctypes
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from msgspec import Struct

STOP_SECONDS = 10
FIRST_BACKOFF_SECONDS = 0.2
LONGEST_BACKOFF_SECONDS = 5.0
STEADY_SECONDS = 10
_PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None, use_errno=True)

Say = Callable[[str], None]


class Spec(Struct, frozen=True):
    """How a child is started. `user` switches to another system user (Postgres under root)."""

    name: str
    argv: Sequence[str]
    environment: Mapping[str, str]
    log: Path
    user: str | None = None
    stop_signal: int = signal.SIGTERM


class Child:
    """One running process and how often it had to be restarted."""

    def __init__(self, spec: Spec) -> None:
        self.spec = spec
        self.restarts = 0
        self.backoff_seconds = FIRST_BACKOFF_SECONDS
        self.process = self._start()

    def _start(self) -> subprocess.Popen[bytes]:
        self.started_at = time.monotonic()
        self.spec.log.parent.mkdir(parents=True, exist_ok=True)
        with self.spec.log.open("ab") as log:
            return subprocess.Popen(
                self.spec.argv,
                env=dict(self.spec.environment),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                user=self.spec.user,
                process_group=0,
                preexec_fn=lambda: _die_with_parent(self.spec.stop_signal),
            )

    def restart(self) -> None:
        """Start again, later each time unless it had run steadily."""
        steady = time.monotonic() - self.started_at > STEADY_SECONDS
        self.backoff_seconds = (
            FIRST_BACKOFF_SECONDS if steady else min(self.backoff_seconds * 2, LONGEST_BACKOFF_SECONDS)
        )
        time.sleep(self.backoff_seconds)
        self.restarts += 1
        self.process = self._start()

    def stop(self) -> None:
        """Ask, wait, then kill the whole group."""
        if self.process.poll() is None:
            self.process.send_signal(self.spec.stop_signal)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(STOP_SECONDS)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


class Supervisor:
    """Children in the order they were started."""

    def __init__(self, say: Say) -> None:
        self._say = say
        self._children: list[Child] = []
        self._stopping = threading.Event()
        self._watcher: threading.Thread | None = None

    def start(self, spec: Spec) -> Child:
        """Start one more child."""
        child = Child(spec)
        self._children.append(child)
        return child

    def pids(self) -> dict[str, int]:
        """Name → process id of every child."""
        return {child.spec.name: child.process.pid for child in self._children}

    def watch(self) -> None:
        """From now on restart whatever dies, and say so."""
        self._watcher = threading.Thread(target=self._watch, name="watcher", daemon=True)
        self._watcher.start()

    def _watch(self) -> None:
        while not self._stopping.wait(0.1):
            for child in self._children:
                if child.process.poll() is not None and not self._stopping.is_set():
                    self._say(f"{child.spec.name} ended ({_ending(child.process.returncode)}); starting it again")
                    child.restart()

    def stop(self) -> None:
        """Stop everything this supervisor started, last started first."""
        self._stopping.set()
        if self._watcher:
            self._watcher.join()
        for child in reversed(self._children):
            child.stop()
        self._children.clear()


def _die_with_parent(signal_number: int) -> None:
    _LIBC.prctl(_PR_SET_PDEATHSIG, signal_number)


def _ending(code: int) -> str:
    return f"signal {-code}" if code < 0 else f"exit status {code}"
