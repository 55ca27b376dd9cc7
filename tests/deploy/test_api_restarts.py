"""`portal api` is replaced under load: every request is answered, and nothing it accepted is missing."""

import asyncio
import os
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import asyncpg
import httpx
import msgspec
import pytest

from app.cli.stack.embedded import free_port
from app.commands.identity.sessions.session_store import open_session
from app.settings import Settings, load
from tests.deploy.conftest import ROOT, SECRET
from tests.fixtures.linked import add_account
from tests.fixtures.restarts import Process, listening_socket
from tests.http.routes.test_webhooks import signed
from tests.integrations.salesforce.certificates import self_signed

type_of_start = Callable[..., Awaitable[Process]]

CLIENTS = 8
"""Half of them keep their connections, half open one for each request."""


@pytest.fixture
def environment(engines: tuple[str, str], pool: asyncpg.Pool) -> dict[str, str]:
    required = [field.name.upper() for field in msgspec.structs.fields(Settings) if field.required]
    return {
        **os.environ,
        **dict.fromkeys(required, SECRET),
        "DATABASE_URL": engines[0],
        "REDIS_URL": engines[1],
        "LOG_LEVEL": "error",
    }


@pytest.fixture
def listening() -> Iterator[socket.socket]:
    with listening_socket() as opened:
        yield opened


@pytest.fixture
def start(tmp_path: Path) -> Iterator[type_of_start]:
    """A starter of servers that waits until they are ready; none outlives the test."""
    started: list[Process] = []

    async def run(environment: dict[str, str], listening: socket.socket | None = None) -> Process:
        started.append(Process("api", environment, tmp_path, listening))
        return await asyncio.to_thread(started[-1].until_ready)

    yield run
    for each in started:
        each.process.kill()
        each.process.wait()


class Load:
    """Clients that send webhooks one after the other; what they were answered."""

    def __init__(self, url: str, trust: str | None = None) -> None:
        self.url, self._trust = url, ssl.create_default_context(cafile=trust)
        self.answers: Counter[object] = Counter()
        self._enough = asyncio.Event()

    async def run(self) -> None:
        await asyncio.gather(*(self._client(number) for number in range(CLIENTS)))

    async def more(self, count: int) -> None:
        """Return when so many further requests have been answered."""
        wanted = sum(self.answers.values()) + count
        async with asyncio.timeout(120):
            while sum(self.answers.values()) < wanted:
                await asyncio.sleep(0.02)

    def stop(self) -> None:
        self._enough.set()

    async def _client(self, number: int) -> None:
        limits = httpx.Limits(max_keepalive_connections=None if number % 2 else 0)
        async with httpx.AsyncClient(base_url=self.url, limits=limits, timeout=30, verify=self._trust) as http:
            while not self._enough.is_set():
                sent = f"{number}-{sum(self.answers.values())}-{time.monotonic_ns()}"
                notice = {"event": "InvoicePaid", "object": "invoice", "id": str(time.monotonic_ns()), "client_id": "1"}
                body = msgspec.json.encode(notice | {"occurred_at": "2026-11-20T00:00:00Z"})
                try:
                    response = await http.post("/webhooks/whmcs", content=body, headers=signed(body, webhook_id=sent))
                    self.answers[response.status_code] += 1
                except httpx.HTTPError as error:
                    self.answers[repr(error)] += 1


async def test_servers_take_turns_and_no_request_is_lost(
    environment: dict[str, str], listening: socket.socket, pool: asyncpg.Pool, start: type_of_start
) -> None:
    load = Load(f"http://127.0.0.1:{listening.getsockname()[1]}")
    serving = await start(environment, listening)
    running = asyncio.create_task(load.run())
    for _ in range(3):
        await load.more(100)
        leaving, serving = (
            serving,
            await start(environment, listening),
        )
        await asyncio.to_thread(leaving.stop)
        assert leaving.complaints() == []
    load.stop()
    await running
    await asyncio.to_thread(serving.stop)
    assert set(load.answers) == {202}, load.answers
    assert await pool.fetchval("SELECT count(*) FROM ingest.inbox") == load.answers[202]


async def test_one_server_alone_is_restarted_and_its_clients_wait(
    environment: dict[str, str], listening: socket.socket, pool: asyncpg.Pool, start: type_of_start
) -> None:
    load = Load(f"http://127.0.0.1:{listening.getsockname()[1]}")
    serving = await start(environment, listening)
    running = asyncio.create_task(load.run())
    await asyncio.sleep(1)
    await asyncio.to_thread(serving.stop)
    before = load.answers[202]
    serving = await start(environment, listening)
    await asyncio.sleep(1)
    load.stop()
    await running
    await asyncio.to_thread(serving.stop)
    assert set(load.answers) == {202}, load.answers
    assert load.answers[202] > before > 50
    assert await pool.fetchval("SELECT count(*) FROM ingest.inbox") == load.answers[202]


async def test_behind_the_proxy_of_compose_no_request_is_lost(
    environment: dict[str, str], pool: asyncpg.Pool, tmp_path: Path, start: type_of_start
) -> None:
    haproxy = shutil.which("haproxy", path=f"{os.environ['PATH']}:/usr/sbin")
    if haproxy is None:
        pytest.skip("haproxy is not installed: `apt-get install haproxy` to try the compose file's proxy")
    ports, front = {"a": free_port(), "b": free_port()}, free_port()
    certificate, key = self_signed(tmp_path)
    both = tmp_path / "both.pem"
    both.write_bytes(certificate.read_bytes() + key.read_bytes())
    told = {
        "PROXY_ADDRESS": f"127.0.0.1:{front}",
        "PROXY_CERTIFICATE": str(both),
        "API_A": f"127.0.0.1:{ports['a']}",
        "API_B": f"127.0.0.1:{ports['b']}",
    }

    def settings_of(name: str) -> dict[str, str]:
        return environment | {"API_PORT": str(ports[name]), "API_DRAIN_SECONDS": "3"}

    serving = {name: await start(settings_of(name)) for name in ports}
    argv = [haproxy, "-db", "-f", str(ROOT / "deploy" / "compose" / "haproxy.cfg")]
    proxy = subprocess.Popen(argv, env=os.environ | told, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    load = Load(f"https://127.0.0.1:{front}", str(certificate))
    try:
        await asyncio.sleep(2)
        running = asyncio.create_task(load.run())
        for name in ("a", "b"):
            await asyncio.sleep(0.5)
            await asyncio.to_thread(serving[name].stop)
            serving[name] = await start(settings_of(name))
            await asyncio.sleep(1.5)
        load.stop()
        await running
    finally:
        proxy.terminate()
        proxy.wait(10)
        for process in serving.values():
            await asyncio.to_thread(process.stop)
    assert set(load.answers) == {202}, load.answers
    assert load.answers[202] > 300
    assert await pool.fetchval("SELECT count(*) FROM ingest.inbox") == load.answers[202]


def test_without_a_passed_socket_it_listens_itself_and_drains(environment: dict[str, str], tmp_path: Path) -> None:
    port = free_port()
    own = environment | {"API_PORT": str(port), "API_DRAIN_SECONDS": "2"}
    with Process("api", own, tmp_path) as api:
        api.until_ready()
        with httpx.Client(base_url=f"http://127.0.0.1:{port}") as http:
            assert "connection" not in http.get("/api/health/ready").headers
            api.process.send_signal(signal.SIGTERM)
            time.sleep(0.7)
            stopping = http.get("/api/health/ready")
            assert (stopping.status_code, stopping.json()["status"]) == (503, "stopping")
            assert stopping.headers["connection"] == "close"
            assert http.get("/api/health/live").status_code == 200, "it still serves"
        assert api.process.wait(15) == 0


async def test_event_streams_end_at_once_and_do_not_hold_the_server_up(
    environment: dict[str, str], listening: socket.socket, pool: asyncpg.Pool, start: type_of_start
) -> None:
    ids = {"whmcs_client_id": "1", "salesforce_account_id": "001", "customer_number": "2"}
    user_id, _ = await add_account(pool, {"email": "a@b.jp", **ids})
    session = await open_session(pool, load(environment), user_id, "10.0.0.1", "listener")
    serving = await start(environment, listening)
    url = f"http://127.0.0.1:{listening.getsockname()[1]}/api/events"
    async with (
        httpx.AsyncClient(timeout=20) as http,
        http.stream("GET", url, headers={"Authorization": f"Bearer {session.token}"}) as stream,
    ):
        assert stream.status_code == 200
        chunks = stream.aiter_raw()
        assert b"welcome" in await anext(chunks)
        stopping = asyncio.create_task(asyncio.to_thread(serving.stop))
        async with asyncio.timeout(30):  # a stream that is not ended goes on for hours
            _ = [chunk async for chunk in chunks]
    await stopping


def test_it_takes_the_socket_that_systemd_itself_hands_over(environment: dict[str, str]) -> None:
    activate = shutil.which("systemd-socket-activate")
    if activate is None:
        pytest.skip("systemd-socket-activate is not installed")
    port = free_port()
    passed = [f"--setenv={name}" for name in environment]
    argv = [activate, f"--listen=127.0.0.1:{port}", *passed, sys.executable, "-m", "app.cli", "api"]
    process = subprocess.Popen(argv, env=environment | {"API_PORT": "1"}, stderr=subprocess.DEVNULL)
    try:
        transport = httpx.HTTPTransport(retries=5)
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", transport=transport, timeout=30) as http:
            assert http.get("/api/health/ready").status_code == 200
        process.terminate()
        assert process.wait(15) == 0
    finally:
        process.kill()


def test_a_server_that_is_stopped_while_it_starts_ends_at_once(environment: dict[str, str], tmp_path: Path) -> None:
    for seconds in (0.4, 0.8, 1.2, 1.6):
        port = free_port()
        with Process("api", environment | {"API_PORT": str(port)}, tmp_path) as api:
            time.sleep(seconds)
            api.process.send_signal(signal.SIGTERM)
            assert api.process.wait(10) in (0, -signal.SIGTERM)
