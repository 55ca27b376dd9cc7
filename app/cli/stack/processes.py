"""Child processes: started in order, watched, restarted when they die, stopped in reverse.

Every child leads a process group of its own and asks the kernel (PR_SET_PDEATHSIG) to be stopped when its parent dies,
so that even `kill -9` of the supervisor leaves nothing running.
"""

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from msgspec import Struct

from app.cli.stack import become

STOP_SECONDS = 10
FIRST_BACKOFF_SECONDS = 0.2
LONGEST_BACKOFF_SECONDS = 5.0
STEADY_SECONDS = 10
LOOK_SECONDS = 0.1

Say = Callable[[str], None]


class Spec(Struct, frozen=True):
    """A child's start command. `user` switches to another system user (Postgres under root)."""

    name: str
    argv: Sequence[str]
    environment: Mapping[str, str]
    log: Path
    user: str | None = None
    stop_signal: int = signal.SIGTERM


def child_argv(argv: Sequence[str], user: str | None = None, stop_signal: int = signal.SIGTERM) -> list[str]:
    """Compose the arguments of a child that runs as `user`, if given, and stops when this process dies."""
    start = [sys.executable, "-I", "-S", str(become.__file__)]
    return [*start, str(os.getpid()), str(int(stop_signal)), user or "", *argv]


class Child:
    """A supervised process, with its number of restarts."""

    def __init__(self, spec: Spec) -> None:
        self.spec = spec
        self.restarts = 0
        self._backoff_seconds = FIRST_BACKOFF_SECONDS / 2
        self._due_at: float | None = None
        self.process = self._start()

    def _start(self) -> subprocess.Popen[bytes]:
        self._started_at = time.monotonic()
        self.spec.log.parent.mkdir(parents=True, exist_ok=True)
        with self.spec.log.open("ab") as log:
            return subprocess.Popen(
                child_argv(self.spec.argv, self.spec.user, self.spec.stop_signal),
                env=dict(self.spec.environment),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                process_group=0,
            )

    def look(self) -> str | None:
        """Check whether it runs, and restart it when due; returns how it ended if that is news.

        The first restart is immediate; the next ones are delayed longer each time unless it had run steadily.
        """
        if self._due_at is not None:
            if time.monotonic() >= self._due_at:
                self._due_at = None
                self.process = self._start()
                self.restarts += 1  # last: an observer of the count must see the new process
            return None
        if self.process.poll() is None:
            return None
        steady = time.monotonic() - self._started_at > STEADY_SECONDS
        later = FIRST_BACKOFF_SECONDS if steady else min(self._backoff_seconds * 2, LONGEST_BACKOFF_SECONDS)
        self._backoff_seconds = later
        self._due_at = time.monotonic() + later
        self._kill_group()  # its children may hold its port
        return _ending(self.process.returncode)

    def stop(self) -> None:
        """Send the stop signal, wait, then kill the whole group."""
        if self.process.poll() is None:
            self.process.send_signal(self.spec.stop_signal)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(STOP_SECONDS)
        self._kill_group()
        self.process.wait()

    def _kill_group(self) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.process.pid, signal.SIGKILL)


class Supervisor:
    """The children, in the order they were started. `changed` is called after a restart."""

    def __init__(self, say: Say, changed: Callable[[], None] = lambda: None) -> None:
        self._say = say
        self._changed = changed
        self._children: list[Child] = []
        self._stopping = threading.Event()
        self._stopped = threading.Event()
        self._looking = threading.Lock()
        self._watcher: threading.Thread | None = None

    def start(self, spec: Spec) -> Child:
        """Start another supervised child."""
        child = Child(spec)
        self._children.append(child)
        return child

    def pids(self) -> dict[str, int]:
        """Return the process id of every child by name."""
        return {child.spec.name: child.process.pid for child in self._children}

    def watch(self) -> None:
        """Begin to restart children that die, and report it."""
        self._watcher = threading.Thread(target=self._watch, name="watcher", daemon=True)
        self._watcher.start()

    def _watch(self) -> None:
        while not self._stopping.wait(LOOK_SECONDS):
            with self._looking:
                self._look()
        self._stopped.wait()  # for the kernel this thread is the parent of what it started, so it must end last

    def _look(self) -> None:
        for child in tuple(self._children):
            if self._stopping.is_set():
                return
            before = child.restarts
            try:
                ended = child.look()
            except OSError as error:
                self._say(f"{child.spec.name} cannot be started again: {error}")
                continue
            if ended:
                self._say(f"{child.spec.name} ended ({ended}); starting it again, see {child.spec.log}")
            if child.restarts != before:
                self._changed()

    def stop(self) -> None:
        """Stop every child, last started first."""
        self._stopping.set()
        with self._looking:
            for child in reversed(self._children):
                child.stop()
            self._children.clear()
        self._stopped.set()
        if self._watcher:
            self._watcher.join()


def _ending(code: int) -> str:
    return f"signal {-code}" if code < 0 else f"exit status {code}"
