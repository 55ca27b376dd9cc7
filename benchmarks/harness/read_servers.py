"""The servers that the read benchmark compares: ours in three states of its layers, baseline A, and the peers."""

import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import msgspec
import psutil
from redis import Redis

from app.cli.stack import embedded
from app.cli.stack.processes import Spec, Supervisor
from app.settings import Settings
from benchmarks.harness.load import SERVER_CORE, pinned
from benchmarks.harness.read_data import token_of

NODE = Path(__file__).parents[1] / "peers" / "node"
START_SECONDS = 30
NOBODY = "redis://127.0.0.1:9/0"
UNLIMITED = {
    "ACCOUNT_RATE_PER_MINUTE": "1000000000",
    "PUBLIC_RATE_PER_MINUTE": "1000000000",
    "TRUSTED_PROXIES": "127.0.0.1",
}
"""The load comes from one address, as behind a proxy."""


class Servers:
    """Processes by name, each reachable before it is given out."""

    def __init__(self, database_url: str, redis_url: str, home: Path, supervisor: Supervisor) -> None:
        self.redis_url = redis_url
        self._database_url, self._home, self._supervisor = database_url, home, supervisor
        self.running: dict[str, tuple[Any, str]] = {}

    def portal(self, name: str, core: str = SERVER_CORE, **environment: str) -> str:
        """Start an API process of the portal and return its URL."""
        required = [field.name.upper() for field in msgspec.structs.fields(Settings) if field.required]
        own = {"DATABASE_URL": self._database_url, "REDIS_URL": self.redis_url, **UNLIMITED, **environment}
        argv = [sys.executable, "-m", "app.cli", "api"]
        return self._start(name, argv, {**dict.fromkeys(required, "x" * 32), **own}, "API_PORT", core)

    def plain(self, body: bytes) -> str:
        """Baseline A with these bytes."""
        file = self._home / "body.json"
        file.write_bytes(body)
        return self._python("plain", {"BODY_FILE": str(file)})

    def peers(self, bodies: Mapping[int, bytes]) -> dict[str, str]:
        """Those that can be started here, with the data in Redis; by name, where they answer."""
        redis = Redis.from_url(self.redis_url)
        for number, body in bodies.items():
            digest = hashlib.sha256(token_of(number).encode()).hexdigest()
            redis.set(f"peer:session:{digest}", msgspec.json.encode({"account_id": number, "role": "customer"}))
            redis.set(f"peer:invoices:{number}", body)
        redis.close()
        found = {}
        if importlib.util.find_spec("fastapi"):
            found["FastAPI"] = self._python("with_fastapi", {"REDIS_URL": self.redis_url})
        if _node_ready():
            for name, file in (("Fastify", "fastify.js"), ("NestJS", "nest.js")):
                environment = {"REDIS_URL": self.redis_url, "NODE_ENV": "production"}
                found[name] = self._start(name, ["node", str(NODE / file)], environment, "PORT", SERVER_CORE)
        return found

    def process(self, url: str) -> Any:
        """Return the process that answers at an address."""
        return next(process for process, own in self.running.values() if own == url)

    def _python(self, module: str, environment: Mapping[str, str]) -> str:
        port = embedded.free_port()
        argv = [sys.executable, "-m", "benchmarks.peers.serve", module, str(port)]
        return self._start(module, argv, environment, "", SERVER_CORE, port)

    def _start(
        self, name: str, argv: list[str], environment: Mapping[str, str], port_name: str, core: str, port: int = 0
    ) -> str:
        port = port or embedded.free_port()
        whole = {**os.environ, **environment, **({port_name: str(port)} if port_name else {})}
        child = self._supervisor.start(Spec(name, pinned(core, argv), whole, self._home / f"{name}.log"))
        url = f"http://127.0.0.1:{port}"
        self.running[name] = (psutil.Process(child.process.pid), url)
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline and child.process.poll() is None:
            try:
                httpx.get(url, timeout=1, trust_env=False)
                return url
            except httpx.HTTPError:
                time.sleep(0.1)
        raise RuntimeError(f"{name} did not start: {(self._home / f'{name}.log').read_text()[-1000:]}")


@contextmanager
def servers(database_url: str) -> Iterator[Servers]:
    """Yield servers with a Redis of their own, and stop everything that was started at the end."""
    supervisor, home = Supervisor(print), Path(tempfile.mkdtemp(prefix="portal-reads-"))
    engine = embedded.redis(home)
    supervisor.start(Spec(engine.name, engine.argv, dict(os.environ), home / "redis.log", None, engine.stop_signal))
    embedded.wait_until_reachable(engine)
    try:
        yield Servers(database_url, engine.url, home, supervisor)
    finally:
        supervisor.stop()
        shutil.rmtree(home, ignore_errors=True)


def _node_ready() -> bool:
    """Return whether node is installed and npm could install what its servers need."""
    if not shutil.which("node") or not shutil.which("npm"):
        return False
    if not (NODE / "node_modules").exists():
        argv = ["npm", "install", "--no-audit", "--no-fund", "--silent"]
        subprocess.run(argv, cwd=NODE, check=False, capture_output=True, timeout=300)
    return (NODE / "node_modules").exists()
