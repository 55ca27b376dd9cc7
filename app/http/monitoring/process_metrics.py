"""The metrics of several API processes behind one address, added up: each of them gives the same answer.

Each process writes its counts to a file in a common folder, periodically and before it answers. Counters are added up,
also those of processes that have ended, so that none ever falls. Gauges of a process appear for each live one, with its
`pid`. A process holds a lock on its file for as long as it lives.
"""

import asyncio
import contextlib
import fcntl
import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import msgspec
import structlog
from msgspec import Struct

from app import tasks
from app.http.monitoring.metric_families import Family, added_up, labelled

WRITE_SECONDS = 2.0
LOCK_SECONDS = 2.0
LOCK_RETRY_SECONDS = 0.01
_LIVE, _PAST = ".counts", "past"

log = structlog.get_logger()


class Past(Struct):
    """The counts of processes that have ended.

    Attributes:
        folded: files that are already included and remain to be removed.
    """

    families: list[Family]
    folded: list[str]


_encode = msgspec.msgpack.encode


class ProcessMetrics:
    """The metrics as one process reports them; without a folder, its own counts alone."""

    def __init__(self, folder: str, own: Callable[[], list[Family]]) -> None:
        self._folder, self._own = Path(folder) if folder else None, own
        self._name = f"{time.time_ns()}-{os.getpid()}{_LIVE}"
        self._held: int | None = None
        self._task: asyncio.Task[None] | None = None

    def open(self) -> None:
        """Start to write the counts periodically."""
        if self._folder is not None:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._held = os.open(self._folder / f"{self._name}.lock", os.O_RDWR | os.O_CREAT, 0o600)
            fcntl.flock(self._held, fcntl.LOCK_EX)
            self._task = asyncio.create_task(self._write_periodically())

    async def close(self) -> None:
        """Write the last counts, which other processes include."""
        if self._task is None or self._folder is None or self._held is None:
            return
        await tasks.end(self._task)
        _write(self._folder / self._name, _encode(self._own()))
        os.close(self._held)

    async def counts(self) -> list[Family]:
        """Return the counts of all processes, those of this one as of now.

        Raises:
            TimeoutError: another process holds the folder for too long.
        """
        own = self._own()
        if self._folder is None:
            return added_up([own])
        return await asyncio.to_thread(self._of_all, self._folder, own)

    def _of_all(self, folder: Path, own: list[Family]) -> list[Family]:
        with _locked(folder):
            _write(folder / self._name, _encode(own))
            past = _fold(folder)
            found = [(_pid(path), _read(path)) for path in sorted(folder.glob(f"*{_LIVE}"))]
        return added_up([past.families, *(labelled(families, pid) for pid, families in found)])

    async def _write_periodically(self) -> None:
        while self._folder is not None:
            try:
                _write(self._folder / self._name, _encode(self._own()))
            except OSError as error:  # a full disk, say: a later write includes everything
                log.warning("counts_not_left", error=repr(error))
            await asyncio.sleep(WRITE_SECONDS)


def _fold(folder: Path) -> Past:
    """Include the counts of processes that have ended since. An interruption in the middle doubles nothing."""
    kept = folder / _PAST
    past = msgspec.msgpack.decode(kept.read_bytes(), type=Past) if kept.exists() else Past([], [])
    _remove(folder, past.folded)
    ended = [path for path in folder.glob(f"*{_LIVE}") if not _lives(path)]
    if ended:
        lasting = [[family for family in _read(path) if family.counts] for path in ended]
        past = Past(added_up([past.families, *lasting]), [path.name for path in ended])
        _write(kept, _encode(past))
        _remove(folder, past.folded)
    return past


def _remove(folder: Path, names: Sequence[str]) -> None:
    for name in names:
        (folder / name).unlink(missing_ok=True)
        (folder / f"{name}.lock").unlink(missing_ok=True)


def _lives(path: Path) -> bool:
    """Return whether the process still holds its lock."""
    with contextlib.suppress(FileNotFoundError), path.with_name(f"{path.name}.lock").open("rb+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[None]:
    deadline = time.monotonic() + LOCK_SECONDS
    with (folder / "lock").open("a+b") as lock:
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise TimeoutError("Another process holds the folder of metrics.") from None
                time.sleep(LOCK_RETRY_SECONDS)
        yield


def _read(path: Path) -> list[Family]:
    return msgspec.msgpack.decode(path.read_bytes(), type=list[Family])


def _write(path: Path, content: bytes) -> None:
    """Write atomically: no reader sees half of a file, whatever else is written at the same time."""
    written = path.with_name(f"{path.name}.{os.getpid()}-{threading.get_ident()}.new")
    written.write_bytes(content)
    written.replace(path)


def _pid(path: Path) -> str:
    return path.name.removesuffix(_LIVE).rpartition("-")[2]
