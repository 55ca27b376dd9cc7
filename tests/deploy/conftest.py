"""Fixtures for what is installed elsewhere, tried against the stand-ins."""

import contextlib
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import msgspec
import pytest

from app.cli.stack.embedded import free_port
from app.settings import Settings
from tests.deploy.payloads import WHERE_ROWS
from tests.integrations.conftest import salesforce

__all__ = ["salesforce"]

ROOT = Path(__file__).parents[2]
WHMCS = ROOT / "deploy" / "whmcs"
HOST = Path(__file__).parent / "whmcs_host"
SECRET = "x" * 32
START_SECONDS = 120
EXTENSIONS = {"curl", "json"}


@pytest.fixture(scope="session")
def php() -> str:
    """The real php, 8.1 or newer with curl."""
    found = shutil.which("php")
    if found is None:
        pytest.skip("php is not installed: `apt-get install php-cli php-curl` to try the WHMCS hooks")
    known = subprocess.run([found, "-m"], capture_output=True, text=True, check=True, timeout=20).stdout.lower().split()
    if missing := EXTENSIONS - set(known):
        pytest.skip(f"php lacks {', '.join(missing)}: `apt-get install php-curl` to try the WHMCS hooks")
    return found


class Whmcs:
    """A WHMCS with the hook file installed: a document root, the folder next to it, and a spool."""

    def __init__(self, php: str, home: Path) -> None:
        self.php, self.home = php, home
        self.hooks = home / "portal-hooks"
        self.spool = self.hooks / "spool"
        (home / "public_html" / "includes" / "hooks").mkdir(parents=True)
        shutil.copy(WHMCS / "portal.php", self.hook_file)
        shutil.copytree(WHMCS / "portal-hooks", self.hooks)
        self.spool.mkdir()

    @property
    def hook_file(self) -> Path:
        return self.home / "public_html" / "includes" / "hooks" / "portal.php"

    def configure(self, url: str, secret: str = SECRET) -> None:
        """config.php, made of the example as an administrator does."""
        example = (self.hooks / "config.example.php").read_text()
        filled = example.replace("https://portal.example.jp/webhooks/whmcs", f"{url}/webhooks/whmcs")
        (self.hooks / "config.php").write_text(filled.replace("'secret' => ''", f"'secret' => '{secret}'"))

    def fire(self, *asked: Any) -> list[dict[str, Any]]:
        """Fire hooks, each (event, payload), in one process; what each printed and how long it took."""
        lines = [each if each == "?" else {"event": each[0], "vars": each[1]} for each in asked]
        ended = subprocess.run(
            [self.php, "-d", "display_errors=1", str(HOST / "fire.php"), str(self.hook_file)],
            input="".join(json.dumps(line) + "\n" for line in lines),
            env={
                **os.environ,
                "WHMCS_ROOT": str(self.home / "public_html"),
                "WHMCS_TABLES": json.dumps(WHERE_ROWS),
            },
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert ended.returncode == 0, ended.stdout + ended.stderr
        self.errors = ended.stderr
        return [json.loads(line) for line in ended.stdout.splitlines()]

    def waiting(self) -> list[dict[str, Any]]:
        """Return the bodies in the spool, oldest first."""
        return [json.loads(path.read_text()) for path in sorted(self.spool.glob("*.json"))]

    def argv(self, *options: str) -> list[str]:
        """Return the sender's command line as cron starts it."""
        return [self.php, str(self.hooks / "send.php"), *options]

    def send(self, *options: str) -> subprocess.CompletedProcess[str]:
        """Run the sender."""
        return subprocess.run(self.argv(*options), capture_output=True, text=True, timeout=90)


@pytest.fixture
def whmcs(php: str, tmp_path: Path) -> Whmcs:
    """A fresh installation of the hook file."""
    return Whmcs(php, tmp_path)


class Api:
    """`portal api` as processes, at one address."""

    def __init__(self, environment: dict[str, str], log: Path) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._environment = {**environment, "API_PORT": str(self.port)}
        self._log = log
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> subprocess.Popen[bytes]:
        """Start one and wait until it serves."""
        with self._log.open("ab") as log:
            argv: Sequence[str] = [sys.executable, "-m", "app.cli", "api"]
            self.process = subprocess.Popen(argv, env=self._environment, stdout=log, stderr=log)
        deadline = time.monotonic() + START_SECONDS
        while True:
            with contextlib.suppress(httpx.TransportError):
                if httpx.get(f"{self.url}/api/health/ready").status_code == 200:
                    return self.process
            assert self.process.poll() is None, self._log.read_text()
            assert time.monotonic() < deadline, "the API did not start"
            time.sleep(0.05)

    def stop(self) -> None:
        """Stop it as an operator does."""
        if self.process is not None:
            self.process.terminate()
            self.process.wait(20)
            self.process = None


@pytest.fixture
def api(engines: tuple[str, str], pool: asyncpg.Pool, tmp_path: Path) -> Iterator[Api]:
    """The real server with its real webhook route, not started yet. Its upstreams never answer."""
    required = [field.name.upper() for field in msgspec.structs.fields(Settings) if field.required]
    made = Api(
        {
            **os.environ,
            **dict.fromkeys(required, SECRET),
            "DATABASE_URL": engines[0],
            "REDIS_URL": engines[1],
            "LOG_LEVEL": "warning",
        },
        tmp_path / "api.log",
    )
    yield made
    made.stop()
