"""`portal api`: a parent that holds the listening socket, and workers that serve it.

Three things lose requests when a server stops:

- Connections that wait in the kernel to be accepted are reset when their listening socket closes. So the socket may be
  passed in by a supervisor that outlives us (systemd's protocol: LISTEN_FDS) and keeps it open.
- A connection that was accepted but not read from yet is closed. So with such a socket the workers stop accepting
  first, and leave new connections to others.
- A client with keep-alive may send into a connection that is just being closed. So for a short time before the end
  every answer announces that its connection closes, event streams end, and the health check asks load balancers to go
  elsewhere. The workers' part of this is in `app/processes/api.py`.
"""

import contextlib
import os
import signal
import socket
import sys
import tempfile
import traceback
from collections.abc import Iterator

import structlog

from app.processes.sd_notify import STOPPING, notify
from app.settings import Settings

FIRST_PASSED_FD = 3
BACKLOG = 4_096
"""Connections that may wait in the kernel to be accepted; the kernel's default maximum."""
STOP_SECONDS = 30
"""How long running requests may take once nothing new is accepted."""
SPARE_SECONDS = 5
"""Extra time before a worker that does not end is killed."""
PAUSE_SECONDS = 1
"""Delay before a worker that died is replaced."""
FAILED_TO_START = 3
"""Exit status of a worker that never served; uvicorn's own."""
_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD, signal.SIGALRM)

log = structlog.get_logger()


class ParentServer:
    """The parent, one per process. It waits for signals and does nothing else, so none interrupts other work."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._workers: dict[int, bool] = {}
        self._failed = False

    def serve(self) -> None:
        """Serve until SIGTERM or SIGINT, or until workers fail to start; then end the process."""
        signal.signal(signal.SIGCHLD, _no_more)
        signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
        passed = passed_socket()
        with passed or own_socket(self._settings) as listening, counts_folder(self._settings):
            for _ in range(self._settings.api_workers):
                self._start(listening, lent=passed is not None, again=False)
            while not self._failed and (number := signal.sigwait(_SIGNALS)) not in (signal.SIGTERM, signal.SIGINT):
                if number == signal.SIGCHLD:
                    self._bury()
                missing = self._settings.api_workers - len(self._workers)
                for _ in range(missing if number == signal.SIGALRM else 0):
                    self._start(listening, lent=passed is not None, again=True)
            self._stop()
        sys.exit(1 if self._failed else 0)

    def _start(self, listening: socket.socket, *, lent: bool, again: bool) -> None:
        parent = os.getpid()
        if pid := os.fork():
            self._workers[pid] = again
            return
        status = FAILED_TO_START
        try:
            for number in _SIGNALS:
                signal.signal(number, signal.SIG_DFL)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)
            from app.processes.api import run  # the parent never imports the application

            run(listening, lent=lent, parent=parent)
            status = 0
        except SystemExit as error:
            status = error.code if isinstance(error.code, int) else status
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(status)

    def _bury(self, *, stopping: bool = False) -> None:
        """Reap workers that ended."""
        with contextlib.suppress(ChildProcessError):
            while (ended := os.waitpid(-1, os.WNOHANG))[0]:
                pid, status = ended[0], os.waitstatus_to_exitcode(ended[1])
                again = self._workers.pop(pid)
                if stopping:
                    continue
                log.error("api_worker_died", pid=pid, exit_status=status)
                self._failed = self._failed or (status == FAILED_TO_START and not again)
                signal.alarm(PAUSE_SECONDS)

    def _stop(self) -> None:
        """Stop the workers; they finish the requests they have begun."""
        notify(STOPPING)
        self._send(signal.SIGTERM)
        signal.alarm(round(self._settings.api_drain_seconds) + STOP_SECONDS + SPARE_SECONDS)
        self._bury(stopping=True)
        while self._workers:
            if signal.sigwait(_SIGNALS) == signal.SIGALRM:
                self._send(signal.SIGKILL)
            self._bury(stopping=True)

    def _send(self, number: signal.Signals) -> None:
        for pid in self._workers:
            os.kill(pid, number)


@contextlib.contextmanager
def counts_folder(settings: Settings) -> Iterator[None]:
    """Create a folder in which the workers share their metrics, unless the settings name one.

    It is read by `app/http/monitoring/process_metrics.py`.
    """
    if settings.metrics_dir or settings.api_workers == 1:
        yield
        return
    with tempfile.TemporaryDirectory(prefix="portal-counts-", ignore_cleanup_errors=True) as folder:
        os.environ["METRICS_DIR"] = folder
        yield


def own_socket(settings: Settings) -> socket.socket:
    """Open a listening socket that closes with this process."""
    family = socket.AF_INET6 if ":" in settings.api_host else socket.AF_INET
    return socket.create_server((settings.api_host, settings.api_port), family=family, backlog=BACKLOG)


def passed_socket() -> socket.socket | None:
    """Return the listening socket that the supervisor passed to this process, if any."""
    if os.environ.get("LISTEN_PID") != str(os.getpid()) or os.environ.get("LISTEN_FDS", "0") == "0":
        return None
    return socket.socket(fileno=FIRST_PASSED_FD)


def _no_more(number: int, frame: object) -> None:
    """Handle SIGCHLD: some systems discard signals without a handler."""
