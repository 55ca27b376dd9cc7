"""Real engines for every test: Postgres and Redis from wheels (or those that DATABASE_URL and REDIS_URL name), the real
migrations, and the sandbox as a process of its own."""

import asyncio
import json
import os
import shutil
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import msgspec
import pytest
from redis.asyncio import Redis

from app.cli import migrate
from app.cli.stack import embedded
from app.cli.stack.processes import Spec, Supervisor
from app.db import open_pool
from app.resources import Resources, open_resources
from app.settings import Settings, load
from tests.fixtures import conformity, raised

SANDBOX_SECONDS = 120
ANYWHERE = {"INTERNAL_NETWORKS": "0.0.0.0/0"}
"""Tests call from an address of the world."""
UNPACED = {f"{upstream}_CALLS_PER_SECOND": "10000" for upstream in ("SALESFORCE", "WHMCS", "FREEBIT", "WHM")}
"""The sandbox need not be spared."""

raised.listen()
conformity.listen()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run the test that looks back at all others after them."""
    raised.last(items, "test_every_documented_error_was_raised")


def pytest_sessionfinish(session: pytest.Session) -> None:
    """With several processes, what all of them heard is looked at where they are led from."""
    config = session.config
    if hasattr(config, "workeroutput"):
        raised.hand_over(config)
        conformity.hand_over(config)
        return
    if found := conformity.summary():
        sys.stderr.write(found)
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
    if config.getoption("numprocesses", None) and raised.is_everything(config) and (lost := raised.missing()):
        sys.stderr.write(f"\nDocumented errors that no test raised: {', '.join(lost)}\n")
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """One of several processes is done."""
    raised.take_over(getattr(node, "workeroutput", {}))
    conformity.take_over(getattr(node, "workeroutput", {}))


@pytest.fixture(scope="session")
def engines() -> Iterator[tuple[str, str]]:
    """(database URL, Redis URL), migrated from zero.

    In a folder of their own: pytest locks its folders against other users, and under root Postgres is one.
    """
    supervisor = Supervisor(print)
    home = Path(tempfile.mkdtemp(prefix="portal-engines-"))
    urls = []
    for variable, prepare in (("DATABASE_URL", embedded.postgres), ("REDIS_URL", embedded.redis)):
        if url := os.environ.get(variable):
            urls.append(url)
            continue
        engine = prepare(home)
        log = home / f"{engine.name}.log"
        supervisor.start(Spec(engine.name, engine.argv, dict(os.environ), log, engine.user, engine.stop_signal))
        embedded.wait_until_reachable(engine)
        urls.append(engine.url)
    migrate.up(urls[0])
    yield urls[0], urls[1]
    supervisor.stop()
    shutil.rmtree(home, ignore_errors=True)


@pytest.fixture(scope="session")
def sandbox_state(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """The sandbox as a process, and its state file."""
    home = tmp_path_factory.mktemp("sandbox")
    state_file = home / "state.json"
    argv = [sys.executable, "-m", "sandbox", "--state-file", str(state_file), "--dir", str(home)]
    supervisor = Supervisor(print)
    child = supervisor.start(Spec("sandbox", argv, dict(os.environ), home / "sandbox.log"))
    state = _wait_for(state_file, child.process)
    yield state
    supervisor.stop()


def _wait_for(state_file: Path, process: Any) -> dict[str, Any]:
    import time

    deadline = time.monotonic() + SANDBOX_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        if state_file.exists():
            found: dict[str, Any] = json.loads(state_file.read_text())
            return found
        time.sleep(0.05)
    log = state_file.parent / "sandbox.log"
    raise RuntimeError(f"the sandbox did not start: {log.read_text()[-2000:]}")


class Sandbox:
    """The sandbox of this test: its state, and its control surface."""

    def __init__(self, state: dict[str, Any], control: httpx.AsyncClient) -> None:
        self.state = state
        self.control = control

    async def fault(self, upstream: str, kind: str, operation: str = "*", count: int = 1, **more: Any) -> None:
        """Script a fault."""
        body = {"upstream": upstream, "operation": operation, "kind": kind, "count": count, **more}
        (await self.control.post("/faults", json=body)).raise_for_status()

    async def clear_faults(self) -> None:
        """Everything works again."""
        (await self.control.delete("/faults")).raise_for_status()

    async def calls(self, upstream: str = "") -> list[dict[str, Any]]:
        """Return the calls that the upstreams received."""
        response = await self.control.get("/calls", params={"upstream": upstream} if upstream else {})
        found: list[dict[str, Any]] = response.json()["calls"]
        return found

    def customer(self, *, with_whmcs: bool) -> dict[str, Any]:
        """Return a sample customer who has a WHMCS client, or has none and can sign up."""
        customers: list[dict[str, Any]] = self.state["customers"]
        return next(each for each in customers if bool(each["whmcs_client_id"]) == with_whmcs)


@pytest.fixture
async def sandbox(sandbox_state: dict[str, Any]) -> AsyncIterator[Sandbox]:
    """The sandbox, back at its seed and without faults."""
    async with httpx.AsyncClient(base_url=sandbox_state["control_url"], timeout=10) as control:
        (await control.delete("/faults")).raise_for_status()
        (await control.post("/reset")).raise_for_status()
        (await control.delete("/calls")).raise_for_status()
        (await control.delete("/mail/")).raise_for_status()
        yield Sandbox(sandbox_state, control)


@pytest.fixture(scope="session")
def settings(engines: tuple[str, str]) -> Settings:
    """Settings that start, with upstreams that never answer."""
    required = [field.name.upper() for field in msgspec.structs.fields(Settings) if field.required]
    environment = dict.fromkeys(required, "x" * 32)
    return load({**environment, **ANYWHERE, "DATABASE_URL": engines[0], "REDIS_URL": engines[1]})


@pytest.fixture(scope="session")
def sandbox_settings(engines: tuple[str, str], sandbox_state: dict[str, Any]) -> Settings:
    """Settings of a portal that talks to the sandbox."""
    from app.cli.stack.environment import of_sandbox

    environment = {"DATABASE_URL": engines[0], "REDIS_URL": engines[1], "PORTAL_SECRET": "s" * 32}
    return load({**of_sandbox(sandbox_state), **ANYWHERE, **UNPACED, **environment, "FREEBIT_POLL_SECONDS": "0.2"})


@pytest.fixture(scope="session")
async def session_pool(engines: tuple[str, str]) -> AsyncIterator[asyncpg.Pool]:
    """One pool for all tests."""
    pool = await open_pool(engines[0])
    yield pool
    await asyncio.wait_for(pool.close(), 10)


@pytest.fixture
async def pool(session_pool: asyncpg.Pool) -> asyncpg.Pool:
    """The pool, with every table empty: inbox, checkpoints and cursors included."""
    rows = await session_pool.fetch(
        "SELECT schemaname || '.' || tablename AS name FROM pg_tables "
        "WHERE schemaname IN ('portal', 'ingest', 'mirror', 'read_model', 'generations') AND tablename <> 'generations'"
    )
    tables = [row["name"] for row in rows]
    async with session_pool.acquire() as connection:
        await _empty(connection, tables)
    return session_pool


async def _empty(connection: Any, tables: list[str]) -> None:
    """Empty the tables that hold anything: TRUNCATE makes new files for every table that it names."""
    question = " UNION ALL ".join(f"SELECT '{name}' AS name WHERE EXISTS (SELECT FROM {name})" for name in tables)
    if full := [row["name"] for row in await connection.fetch(question)]:
        await connection.execute("SET session_replication_role = replica")  # the audit log refuses it
        await connection.execute(f"TRUNCATE {', '.join(full)} RESTART IDENTITY CASCADE")
        await connection.execute("SET session_replication_role = DEFAULT")
    await connection.execute(
        "SELECT setval(format('%I.%I', schemaname, sequencename)::regclass, 1, false) FROM pg_sequences "
        "WHERE schemaname IN ('portal', 'ingest', 'mirror', 'read_model', 'generations')"
    )


@pytest.fixture
async def redis(engines: tuple[str, str]) -> AsyncIterator[Redis]:
    """An empty Redis."""
    client = Redis.from_url(engines[1])
    await client.flushdb()
    yield client
    await client.aclose()


@pytest.fixture
async def resources(
    sandbox: Any, sandbox_settings: Settings, pool: asyncpg.Pool, redis: Redis
) -> AsyncIterator[Resources]:
    """The resources of a process of a portal that talks to the sandbox."""
    async with open_resources(sandbox_settings, pool_size=12) as opened:
        yield opened
