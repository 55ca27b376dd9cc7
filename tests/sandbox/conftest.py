"""The sandbox as a process, and small clients that speak each upstream's dialect."""

import base64
import hashlib
import hmac
import json
import os
import signal
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest

PATIENCE_SECONDS = 60.0


def wait_for(found: Callable[[], Any], what: str = "it") -> Any:
    """Return what `found` gives once it is true."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        if value := found():
            return value
        time.sleep(0.02)
    raise AssertionError(f"{what} did not happen within {PATIENCE_SECONDS:.0f} s")


@dataclass
class SandboxProcess:
    """A sandbox process of our own."""

    home: Path
    process: subprocess.Popen[bytes]
    state: dict[str, Any]

    @classmethod
    def start(cls, home: Path) -> "SandboxProcess":
        state_file = home / "state.json"
        state_file.unlink(missing_ok=True)
        argv = [sys.executable, "-m", "sandbox", "--state-file", str(state_file), "--dir", str(home / "data")]
        with (home / "log").open("ab") as log:
            process = subprocess.Popen(argv, stdout=log, stderr=log)
        wait_for(lambda: state_file.exists() or process.poll() is not None, "the sandbox's start")
        assert process.poll() is None, (home / "log").read_text()
        return cls(home, process, json.loads(state_file.read_text()))

    def stop(self, number: int = signal.SIGTERM) -> None:
        self.process.send_signal(number)
        self.process.wait(PATIENCE_SECONDS)


@pytest.fixture(scope="module")
def sandbox_process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SandboxProcess]:
    running = SandboxProcess.start(tmp_path_factory.mktemp("sandbox_process"))
    yield running
    running.stop()
    assert "Traceback" not in (running.home / "log").read_text()


@pytest.fixture
def control(sandbox_process: SandboxProcess) -> Iterator[httpx.Client]:
    """The control surface, with the world back at its seed."""
    with httpx.Client(base_url=sandbox_process.state["control_url"], timeout=30, trust_env=False) as client:
        client.put("/whmcs/webhook-target", json={"url": ""}).raise_for_status()
        client.post("/reset").raise_for_status()
        yield client


def script(control: httpx.Client, upstream: str, kind: str, **more: Any) -> None:
    """Script a fault."""
    response = control.post("/faults", json={"upstream": upstream, "kind": kind, **more})
    assert response.status_code == 200, response.text


def browser(sandbox_process: SandboxProcess, upstream: str, **options: Any) -> httpx.Client:
    """Return a client that trusts the sandbox's authority."""
    context = ssl.create_default_context(cafile=sandbox_process.state["ca_file"])
    return httpx.Client(
        base_url=sandbox_process.state[upstream]["url"], verify=context, timeout=3, trust_env=False, **options
    )


@dataclass
class Whmcs:
    """The API as a client of it sees it: a form in, JSON out."""

    http: httpx.Client
    identifier: str
    secret: str

    def ask(self, action: str, **params: Any) -> httpx.Response:
        fields = {"action": action, "responsetype": "json", "identifier": self.identifier, "secret": self.secret}
        given = {name: str(value) for name, value in params.items() if not isinstance(value, list | dict)}
        for name, value in params.items():
            if isinstance(value, list | dict):
                pairs = enumerate(value) if isinstance(value, list) else value.items()
                given |= {f"{name}[{key}]": str(each) for key, each in pairs}
        return self.http.post("/includes/api.php", data={**fields, **given})

    def call(self, action: str, **params: Any) -> dict[str, Any]:
        """Make a call that succeeds and return its answer."""
        response = self.ask(action, **params)
        body: dict[str, Any] = response.json()
        assert (response.status_code, body["result"]) == (200, "success"), body
        return body

    def refusal(self, action: str, **params: Any) -> str:
        """Return the sentence of a call that is refused under HTTP 200."""
        response = self.ask(action, **params)
        body = response.json()
        assert (response.status_code, body["result"]) == (200, "error"), body
        return str(body["message"])


@pytest.fixture
def whmcs(sandbox_process: SandboxProcess, control: httpx.Client) -> Iterator[Whmcs]:
    known = sandbox_process.state["whmcs"]
    with browser(sandbox_process, "whmcs") as http:
        yield Whmcs(http, known["identifier"], known["secret"])


@dataclass
class Receiver:
    """Something that takes webhooks in; `status` is how it answers."""

    url: str = ""
    status: int = 204
    requests: list[tuple[dict[str, str], bytes]] = field(default_factory=list)

    def events(self) -> list[str]:
        return [json.loads(body)["event"] for _, body in self.requests]

    def wait(self, count: int) -> list[dict[str, Any]]:
        """Return the first `count` bodies."""
        wait_for(lambda: len(self.requests) >= count, f"{count} webhooks (so far {self.events()})")
        return [json.loads(body) for _, body in self.requests]


@pytest.fixture
def receiver(control: httpx.Client) -> Iterator[Receiver]:
    """A webhook target on a socket of its own; WHMCS's hooks are sent there."""
    received = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            received.requests.append(({name.lower(): value for name, value in self.headers.items()}, body))
            self.send_response(received.status)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    received.url = f"http://127.0.0.1:{server.server_port}/hook"
    control.put("/whmcs/webhook-target", json={"url": received.url}).raise_for_status()
    yield received
    control.put("/whmcs/webhook-target", json={"url": ""}).raise_for_status()
    server.shutdown()
    server.server_close()


def signature(secret: str, headers: dict[str, str], body: bytes) -> str:
    """Return the expected value of the signature header."""
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    return "v1," + base64.b64encode(hmac.new(secret.encode(), signed, hashlib.sha256).digest()).decode()


def group_exists(pid: int) -> bool:
    """Return whether a process is alive."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
