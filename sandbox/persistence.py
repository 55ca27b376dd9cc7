"""The world on disk, so that a killed sandbox comes back as it was: a snapshot soon after each change."""

import asyncio
from pathlib import Path

from sandbox.world import World

EVERY_SECONDS = 0.25


class Persistence:
    """Keeps a file up to date with a world."""

    def __init__(self, world: World, path: Path) -> None:
        self._world = world
        self._path = path
        self._seen = 0

    def load(self) -> bool:
        """Take the world from the file, if there is one."""
        if not self._path.exists():
            return False
        self._world.restore(self._path.read_bytes())
        return True

    def save(self) -> None:
        """Write the file whole or not at all."""
        fresh = self._path.with_suffix(".new")
        fresh.write_bytes(self._world.snapshot())
        fresh.replace(self._path)

    async def save_for_ever(self) -> None:
        """Save soon after anything but a read was asked."""
        while True:
            await asyncio.sleep(EVERY_SECONDS)
            if self._world.calls.writes != self._seen:
                self._seen = self._world.calls.writes
                self.save()
