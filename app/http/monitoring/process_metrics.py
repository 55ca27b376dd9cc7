"""What several API processes behind one address count, told as one: whichever of them is asked, the answer is the same.

Each leaves its counts in a file of a common folder, every now and then and before it answers. Counters are added up,
those of processes that have ended too, so that none ever falls; what a process measures of itself stands there for each
of those that live, with its `pid`. A process holds a lock on its file for as long as it lives.
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

LEAVE_SECONDS = 2.0
LOCK_SECONDS = 2.0
LOCK_RETRY_SECONDS = 0.01
_LIVE, _PAST = ".counts", "past"

log = structlog.get_logger()


class Past(Struct):
    """What processes counted that have ended. `folded`: files that it holds already, and that are to be removed."""

    families: list[Family]
    folded: list[str]


_encode = msgspec.msgpack.encode


class ProcessMetrics:
    """One a process. Without a folder it tells its own counts."""

    def __init__(self, folder: str, own: Callable[[], list[Family]]) -> None:
        self._folder, self._own = Path(folder) if folder else None, own
        self._name = f"{time.time_ns()}-{os.getpid()}{_LIVE}"
        self._held: int | None = None
        self._task: asyncio.Task[None] | None = None

    def open(self) -> None:
        """Begin to leave counts."""
        if self._folder is not None:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._held = os.open(self._folder / f"{self._name}.lock", os.O_RDWR | os.O_CREAT, 0o600)
            fcntl.flock(self._held, fcntl.LOCK_EX)
            self._task = asyncio.create_task(self._leave_for_ever())

    async def close(self) -> None:
        """Leave the last counts, which others take over."""
        if self._task is None or self._folder is None or self._held is None:
            return
        await tasks.end(self._task)
        _write(self._folder / self._name, _encode(self._own()))
        os.close(self._held)

    async def told(self) -> list[Family]:
        """The counts of all processes, one's own as of now.

        Raises:
            TimeoutError: another process has held the folder for too long.
        """
        own = self._own()
        if self._folder is None:
            return added_up([own])
        return await asyncio.to_thread(self._together, self._folder, own)

    def _together(self, folder: Path, own: list[Family]) -> list[Family]:
        with _locked(folder):
            _write(folder / self._name, _encode(own))
            past = _fold(folder)
            found = [(_pid(path), _read(path)) for path in sorted(folder.glob(f"*{_LIVE}"))]
        return added_up([past.families, *(labelled(families, pid) for pid, families in found)])

    async def _leave_for_ever(self) -> None:
        while self._folder is not None:
            try:
                _write(self._folder / self._name, _encode(self._own()))
            except OSError as error:  # a full disk, say: what is left later says all
                log.warning("counts_not_left", error=repr(error))
            await asyncio.sleep(LEAVE_SECONDS)


def _fold(folder: Path) -> Past:
    """Add to the past what processes left that have ended since. Whoever stops in the middle doubles nothing."""
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
    """Whether the process holds its lock."""
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
                    raise TimeoutError("another process holds the folder of counts") from None
                time.sleep(LOCK_RETRY_SECONDS)
        yield


def _read(path: Path) -> list[Family]:
    return msgspec.msgpack.decode(path.read_bytes(), type=list[Family])


def _write(path: Path, content: bytes) -> None:
    """In one step: nobody reads half of it, whatever other threads and processes write at the same time."""
    written = path.with_name(f"{path.name}.{os.getpid()}-{threading.get_ident()}.new")
    written.write_bytes(content)
    written.replace(path)


def _pid(path: Path) -> str:
    return path.name.removesuffix(_LIVE).rpartition("-")[2]
