"""A Redis of a test's own, which may be stopped, killed and made to refuse."""

import os
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path
from types import TracebackType

from redis.asyncio import Redis

from app.cli import embedded


class OwnRedis:
    """One server, on one address for as long as it lives, however often it is killed."""

    def __init__(self) -> None:
        self._home = Path(tempfile.mkdtemp(prefix="portal-redis-"))
        self._engine = embedded.redis(self._home)
        self.url = self._engine.url
        self._process = self._start()

    def _start(self) -> subprocess.Popen[bytes]:
        process = subprocess.Popen(self._engine.argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        embedded.wait_until_reachable(self._engine)
        return process

    def __enter__(self) -> "OwnRedis":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        os.kill(self._process.pid, signal.SIGCONT)
        self._process.kill()
        self._process.wait()
        shutil.rmtree(self._home, ignore_errors=True)

    async def tell(self, *words: str) -> None:
        """As its operator."""
        async with Redis.from_url(self.url) as redis:
            await redis.execute_command(*words)  # type: ignore[no-untyped-call]

    async def spoil(self, how: str) -> None:
        """Make it fail in one way."""
        match how:
            case "hangs":
                os.kill(self._process.pid, signal.SIGSTOP)
            case "gone":
                self._process.kill()
                self._process.wait()
            case _:
                for words in SPOILT[how]:
                    await self.tell(*words)

    async def mend(self, how: str) -> None:
        """Take that back."""
        match how:
            case "hangs":
                os.kill(self._process.pid, signal.SIGCONT)
            case "gone":
                self._process = self._start()
            case _:
                for words in MENDED:
                    await self.tell(*words)


SPOILT: dict[str, tuple[tuple[str, ...], ...]] = {
    "no replicas": (("CONFIG", "SET", "min-replicas-to-write", "3"),),
    "replica of nobody": (("REPLICAOF", "127.0.0.1", "1"),),
    "replica of nobody that answers nothing": (
        ("CONFIG", "SET", "replica-serve-stale-data", "no"),
        ("REPLICAOF", "127.0.0.1", "1"),
    ),
    "full": (("CONFIG", "SET", "maxmemory-policy", "noeviction"), ("CONFIG", "SET", "maxmemory", "100kb")),
    "needs a password": (("CONFIG", "SET", "requirepass", "secret"), ("CLIENT", "KILL", "TYPE", "normal")),
}
MENDED = (
    ("REPLICAOF", "NO", "ONE"),
    ("CONFIG", "SET", "min-replicas-to-write", "0"),
    ("CONFIG", "SET", "replica-serve-stale-data", "yes"),
    ("CONFIG", "SET", "maxmemory", "0"),
)
REFUSALS = tuple(how for how in SPOILT if how != "needs a password")
WAYS = (*REFUSALS, "hangs", "gone")
