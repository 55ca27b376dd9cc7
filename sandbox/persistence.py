"""Snapshots: what an upstream acknowledged survives a `kill -9` of the sandbox.

An answer leaves only after the change it reports is in a file; concurrent changes share one write. Upstreams are
pickled one by one, and only those that changed.
"""

import asyncio
import contextlib
import os
import pickle
import sys
import time
from pathlib import Path

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from sandbox.faults.gate import Unanswered
from sandbox.world import SECTIONS, World

IDLE_SECONDS = 0.25
MOST_LOAD = 0.4
"""At most this share of the time goes into snapshots, however many changes there are."""


class Snapshots:
    """The world's data in files of one directory. A volatile one never writes."""

    def __init__(self, world: World, directory: Path, *, volatile: bool = False) -> None:
        self._world = world
        self._volatile = volatile
        self._directory = directory
        self._written: dict[str, tuple[object, int]] = {}
        self._lock = asyncio.Lock()
        self._next: asyncio.Task[None] | None = None
        self._not_before = 0.0

    def _path(self, section: str) -> Path:
        return self._directory / f"{section}.pickle"

    def load(self) -> bool:
        """Load what an earlier process left. Return whether there was anything usable."""
        try:
            found = {name: pickle.loads(self._path(name).read_bytes()) for name in SECTIONS}  # noqa: S301 our own
        except FileNotFoundError:
            return False
        except Exception as error:
            sys.stderr.write(f"The sandbox's data cannot be read ({error!r}); starting from the seed.\n")
            return False
        self._world.replace(found)
        return True

    def _dirty(self) -> list[str]:
        """Return the sections that are newer than their file."""
        return [name for name in SECTIONS if self._mark(name) != self._written.get(name)]

    def _mark(self, name: str) -> tuple[object, int]:
        section = self._world.section(name)
        return id(section), section.revision

    async def flush(self) -> None:
        """Return when every change until now is in a file."""
        if self._volatile or not self._dirty():
            return
        if self._next is None:
            self._next = asyncio.create_task(self._write())
        await asyncio.shield(self._next)

    async def _write(self) -> None:
        async with self._lock:
            await asyncio.sleep(max(0.0, self._not_before - time.monotonic()))
            self._next = None
            began = time.monotonic()
            marks = {name: self._mark(name) for name in self._dirty()}
            images = {name: pickle.dumps(self._world.section(name), 5) for name in marks}
            spent = time.monotonic() - began
            await asyncio.to_thread(self._store, images)
            self._written |= marks
            self._not_before = time.monotonic() + spent * (1 / MOST_LOAD - 1)

    def _store(self, images: dict[str, bytes]) -> None:
        for name, image in images.items():
            temporary = self._path(name).with_suffix(".new")
            temporary.touch(mode=0o600)
            temporary.write_bytes(image)
            os.replace(temporary, self._path(name))

    async def run(self) -> None:
        """Write changes that no answer waited for, until cancelled."""
        while True:
            await asyncio.sleep(IDLE_SECONDS)
            await self.flush()


class Durable:
    """An ASGI application whose answers wait until the change that they report is in a file."""

    def __init__(self, app: ASGIApp, snapshots: Snapshots) -> None:
        self._app = app
        self._snapshots = snapshots

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request. What changed is in a file before the answer begins."""

        async def after_flush(message: Message) -> None:
            if message["type"] == "http.response.start":
                await self._snapshots.flush()
            await send(message)

        with contextlib.suppress(Unanswered):
            await self._app(scope, receive, after_flush)
