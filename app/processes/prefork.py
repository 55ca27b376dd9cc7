"""`portal api`: a parent that holds the listening socket, and workers that serve it.

Three things lose requests when a server ends. Connections that wait in the kernel to be accepted are reset when their
listening socket closes; so the socket may be handed in by whoever outlives us (systemd's protocol: LISTEN_FDS), who
keeps it open. A connection that was accepted but not read from yet is closed; so with such a socket the workers stop
accepting first, and leave it to others. And a client that keeps connections open may send into one that is just being
closed; so for a little while before the end every answer says that its connection ends, event streams end, and the
health check asks load balancers to look elsewhere. What a worker does of this is in `app/processes/api.py`.
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
"""Connections that wait in the kernel to be accepted; as many as it allows by default."""
STOP_SECONDS = 30
"""What answers may still take once nothing new is accepted."""
SPARE_SECONDS = 5
"""Beyond that, until a worker that does not end is killed."""
PAUSE_SECONDS = 1
"""Before a worker that died is replaced."""
FAILED_TO_START = 3
"""Exit status of a worker that never served; the library's own."""
_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD, signal.SIGALRM)

log = structlog.get_logger()


class ParentServer:
    """The parent, one a process. It waits for signals and does nothing else, so none comes at a bad moment."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._workers: dict[int, bool] = {}
        self._failed = False

    def serve(self) -> None:
        """Until SIGTERM or SIGINT, or until workers do not even start; then the process ends."""
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
            from app.processes.api import run  # the parent does without the application

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
        """Take note of workers that ended."""
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
        """Have the workers leave; what was begun is answered."""
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
    """Where the workers leave their counts for one another (`app/http/monitoring/process_metrics.py`), unless the
    settings say."""
    if settings.metrics_dir or settings.api_workers == 1:
        yield
        return
    with tempfile.TemporaryDirectory(prefix="portal-counts-", ignore_cleanup_errors=True) as folder:
        os.environ["METRICS_DIR"] = folder
        yield


def own_socket(settings: Settings) -> socket.socket:
    """One that ends with this process."""
    family = socket.AF_INET6 if ":" in settings.api_host else socket.AF_INET
    return socket.create_server((settings.api_host, settings.api_port), family=family, backlog=BACKLOG)


def passed_socket() -> socket.socket | None:
    """The listening socket that was handed to this very process, if one was."""
    if os.environ.get("LISTEN_PID") != str(os.getpid()) or os.environ.get("LISTEN_FDS", "0") == "0":
        return None
    return socket.socket(fileno=FIRST_PASSED_FD)


def _no_more(number: int, frame: object) -> None:
    """Some systems forget signals that nothing handles."""
