"""The whole API in this event loop, over the real engines; its upstreams answer nobody."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any
from uuid import UUID

import asyncpg
import httpx
import msgspec
import pytest
import uvicorn
from litestar import Litestar
from redis.asyncio import Redis
from uvicorn.server import ServerState

from app.commands.identity import passwords
from app.http.app import build
from app.http.versions.contract import Contract
from app.processes.api import configuration
from app.settings import Settings
from tests.fixtures.linked import add_account

PASSWORD = "paper crane lantern 24"

type_of_serve = Callable[[Settings], AbstractAsyncContextManager[httpx.AsyncClient]]
type_of_add_customer = Callable[[str], Awaitable[UUID]]
type_of_log_in = Callable[[httpx.AsyncClient, str], Awaitable[dict[str, str]]]


def _connection(configured: uvicorn.Config, state: ServerState) -> Any:
    """Return a connection of the real protocol whose other end has a public address."""
    if not configured.loaded:
        configured.load()
    made: Any = configured.http_protocol_class
    connection = made(config=configured, server_state=state, app_state={})
    begin = connection.connection_made

    def connection_made(transport: asyncio.Transport) -> None:
        begin(transport)
        connection.client = ("203.0.113.7", 50_000)

    connection.connection_made = connection_made
    return connection


@asynccontextmanager
async def served(
    settings: Settings, contract: Contract | None = None
) -> AsyncIterator[tuple[Litestar, httpx.AsyncClient]]:
    """Serve the API while the block runs. A task of its own holds it, because the task that opened it must close it,
    and fixtures run in another."""
    app, opened, wanted_no_more = build(settings, contract), asyncio.Event(), asyncio.Event()

    async def hold() -> None:
        async with app.lifespan():
            opened.set()
            await wanted_no_more.wait()

    holder = asyncio.create_task(hold())
    waiter = asyncio.create_task(opened.wait())
    await asyncio.wait([holder, waiter], return_when=asyncio.FIRST_COMPLETED)
    waiter.cancel()
    if holder.done():
        await holder
    configured, state = configuration(app, settings), ServerState()
    server = await asyncio.get_running_loop().create_server(lambda: _connection(configured, state), "127.0.0.1", 0)
    port, app.state.connections = server.sockets[0].getsockname()[1], state.connections
    try:
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=60, trust_env=False) as client:
            yield app, client
    finally:
        server.close()
        for connection in list(state.connections):
            connection.transport.abort()
        wanted_no_more.set()
        await holder


@pytest.fixture
def serve(pool: asyncpg.Pool, redis: Redis) -> type_of_serve:
    """Serve an API of given settings; the caller's address is 203.0.113.7."""

    @asynccontextmanager
    async def started(settings: Settings) -> AsyncIterator[httpx.AsyncClient]:
        async with served(settings) as (_, client):
            yield client

    return started


@pytest.fixture
async def running(
    settings: Settings, pool: asyncpg.Pool, redis: Redis
) -> AsyncIterator[tuple[Litestar, httpx.AsyncClient]]:
    """The application and a client of it."""
    generous = msgspec.structs.replace(settings, auth_rate_per_minute=1000, public_rate_per_minute=1000)
    async with served(generous) as found:
        yield found


@pytest.fixture
def api(running: tuple[Litestar, httpx.AsyncClient]) -> httpx.AsyncClient:
    """A client of the API, not logged in."""
    return running[1]


@pytest.fixture(scope="session")
async def password_hash() -> str:
    """The hash of PASSWORD."""
    return await passwords.hashed(PASSWORD)


@pytest.fixture
def add_customer(pool: asyncpg.Pool, password_hash: str) -> type_of_add_customer:
    """Make a signed-up customer by name; returns the account id."""

    async def add(name: str) -> UUID:
        customer = {
            "email": f"{name}@example.jp",
            "first_name": name.title(),
            "whmcs_client_id": f"client-{name}",
            "salesforce_account_id": f"account-{name}",
            "customer_number": f"number-{name}",
        }
        _, account_id = await add_account(pool, customer, password_hash=password_hash)
        return account_id

    return add


@pytest.fixture
def log_in() -> type_of_log_in:
    """Log a customer in; returns what login answered."""

    async def run(client: httpx.AsyncClient, name: str) -> dict[str, str]:
        response = await client.post("/api/auth/login", json={"email": f"{name}@example.jp", "password": PASSWORD})
        assert response.status_code == 200, response.text
        client.cookies.clear()
        found: dict[str, str] = response.json()
        return found

    return run
