"""`portal up`: embedded engines, migrations, sandbox, worker, listener and API, each as a child process.

DATABASE_URL and REDIS_URL, if set, replace the embedded engines. Everything is stored under PORTAL_HOME (`.portal` in
the working folder by default), logs included.
"""

import asyncio
import contextlib
import fcntl
import importlib.util
import json
import os
import secrets
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TextIO

from app import http_client
from app.cli import migrate
from app.cli.stack import embedded, sample_data
from app.cli.stack.canaries import canaries
from app.cli.stack.embedded import Engine
from app.cli.stack.environment import beside_sandbox
from app.cli.stack.processes import Say, Spec, Supervisor
from app.cli.stack.sample_users import register_samples
from app.errors import UpstreamError
from app.settings import Settings, load

READY_SECONDS = 60
NO_STAND_INS = "The stand-ins for the upstreams come with the source code alone; see `make setup` there."
STAFF = {"email": "staff@example.jp", "password": "staff of the sample portal 7"}


class UpError(Exception):
    """The stack did not come up; the message says why and what to do."""


def home() -> Path:
    """Return the folder of the engines' data, logs and state."""
    return Path(os.environ.get("PORTAL_HOME", ".portal")).resolve()


@contextlib.contextmanager
def only_one(folder: Path) -> Iterator[None]:
    """Lock the folder; a second stack in it fails with a message about the first.

    Raises:
        UpError
    """
    embedded.private(folder)
    with (folder / "lock").open("a+") as lock:
        _take(lock, folder)
        yield


def _take(lock: TextIO, folder: Path) -> None:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        lock.seek(0)
        raise UpError(
            f"Another portal is running in {folder} (process {lock.read().strip() or 'unknown'}). "
            "Stop it, or set PORTAL_HOME to another folder to run a second one."
        ) from error
    lock.seek(0)
    lock.truncate()
    lock.write(str(os.getpid()))
    lock.flush()


class Stack:
    """Everything that `portal up` runs, and its published state."""

    def __init__(self, say: Say, *, sandbox: bool = True, strict: bool = False) -> None:
        self._say = say
        self._with_sandbox, self._strict = sandbox, strict
        self._home = home()
        self._supervisor = Supervisor(say, self._restarted)
        self._environment = dict(os.environ)
        self._state_file: Path | None = None
        self.state: dict[str, Any] = {}

    def start(self, state_file: Path | None = None) -> dict[str, Any]:
        """Start everything; returns and writes the state once the API is ready.

        Raises:
            UpError, EngineError, SettingsError
        """
        self._supervisor.watch()
        if self._with_sandbox and (aside := sample_data.set_aside(self._home)):
            self._say(f"sample data of another release set aside in {aside}; starting afresh")
        for variable, prepare in (("DATABASE_URL", embedded.postgres), ("REDIS_URL", embedded.redis)):
            if not self._environment.get(variable):
                self._environment[variable] = self._engine(prepare(self._home))
        self._defaults()
        migrate.up(self._environment["DATABASE_URL"])
        self._say("database migrated")
        if self._with_sandbox:
            self.state |= self._sandbox()
        settings = load(self._environment)
        if self._with_sandbox:
            self.state["canaries"] = self._canaries(settings)
            self._environment = {**self._environment, **self.state["canaries"]}
        for name in ("worker", "cdc", "api"):
            self._child(name, [sys.executable, "-m", "app.cli", name])
        self._wait_for_api()
        self.state |= {"api_url": self.api_url, "database_url": settings.database_url, "redis_url": settings.redis_url}
        if self._with_sandbox:
            registered = asyncio.run(register_samples(settings, self.state["customers"], STAFF))
            for customer in self.state["customers"]:
                customer["portal"] = customer["customer_number"] in registered
            self.state["staff"] = STAFF
            self._wait_for_read_models()
        self._state_file = state_file or self._home / "state.json"
        self._restarted()
        (self._home / "lock").write_text(f"{os.getpid()} at {self.api_url}")
        return self.state

    def stop(self) -> None:
        """Stop exactly what was started, last first."""
        self._supervisor.stop()

    def _restarted(self) -> None:
        """Update the process ids in the state file."""
        if self._state_file:
            self.state["processes"] = self._supervisor.pids()
            _write(self._state_file, self.state)

    @property
    def api_url(self) -> str:
        """The base URL of the API."""
        return f"http://{self._environment['API_HOST']}:{self._environment['API_PORT']}"

    def _engine(self, engine: Engine) -> str:
        log = self._home / "logs" / f"{engine.name}.log"
        self._supervisor.start(Spec(engine.name, engine.argv, dict(os.environ), log, engine.user, engine.stop_signal))
        embedded.wait_until_reachable(engine)
        self._say(f"{engine.name} started")
        return engine.url

    def _child(self, name: str, argv: list[str]) -> None:
        self._supervisor.start(Spec(name, argv, self._environment, self._home / "logs" / f"{name}.log"))

    def _defaults(self) -> None:
        """Choose a free port and a secret of this folder's own."""
        environment = self._environment
        environment.setdefault("API_HOST", "127.0.0.1")
        environment.setdefault("API_PORT", str(embedded.free_port()))
        environment.setdefault("PUBLIC_URL", self.api_url)
        secret = self._home / "secret"
        if not secret.exists():
            secret.touch(mode=0o600)
            secret.write_text(secrets.token_urlsafe(48))
        environment.setdefault("PORTAL_SECRET", secret.read_text())

    def _sandbox(self) -> dict[str, Any]:
        if importlib.util.find_spec("sandbox") is None:
            raise UpError(NO_STAND_INS)
        folder = self._home / "sandbox"
        state_file = folder / "state.json"
        state_file.unlink(missing_ok=True)
        argv = [sys.executable, "-m", "sandbox", "--state-file", str(state_file), "--dir", str(folder)]
        self._child("sandbox", [*argv, "--webhook-url", f"{self.api_url}/webhooks/whmcs"])
        deadline = time.monotonic() + READY_SECONDS
        while not state_file.exists():
            if time.monotonic() > deadline:
                raise UpError(f"The sandbox did not start; see {self._home / 'logs' / 'sandbox.log'}.")
            time.sleep(0.05)
        state: dict[str, Any] = json.loads(state_file.read_text())
        self._environment = beside_sandbox(state, self._environment, strict=self._strict)
        self._say("sandbox started: Salesforce, WHMCS, Freebit and WHM stand-ins")
        return state

    def _canaries(self, settings: Settings) -> dict[str, str]:
        """Create the sandbox's canaries, so that its feeds are monitored. Failure is not fatal."""
        try:
            return asyncio.run(canaries(settings, self._home / "sandbox"))
        except UpstreamError as error:
            self._say(f"the feeds are not watched by canaries: {error}")
            return {}

    def _wait_for_api(self) -> None:
        if self._get("/api/health/ready") is None:
            raise UpError(f"The API did not become ready; see {self._home / 'logs' / 'api.log'}.")
        self._say(f"api ready at {self.api_url}")

    def _wait_for_read_models(self) -> None:
        """Wait until the read models contain the catalog and the sample customers. Failure is not fatal."""
        filled = self._get("/api/public/services", lambda body: bool(body["items"]))
        applied = filled and self._get("/api/health/services/cache", lambda body: body["inbox"]["waiting"] == 0)
        self._say("read models filled" if applied else "read models are still being filled")

    def _get(self, path: str, shows: Callable[[Any], bool] = lambda body: True) -> Any:
        """Poll the API until its answer shows something; None after READY_SECONDS."""
        deadline = time.monotonic() + READY_SECONDS
        with http_client.Client(base_url=self.api_url, timeout=2, trust_env=False) as client:
            while time.monotonic() < deadline:
                with contextlib.suppress(http_client.HTTPError):
                    response = client.get(path)
                    if response.status_code == 200 and shows(response.json()):
                        return response.json()
                time.sleep(0.05)
        return None


def _write(path: Path, state: dict[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(path.name + ".new")
    fresh.touch(mode=0o600)
    fresh.write_text(json.dumps(state, indent=2))
    fresh.replace(path)
