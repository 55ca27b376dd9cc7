"""The event stream over real sockets: changes are told, nothing is lost, no stranger hears, the slow are cut off."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

import asyncpg
import httpx
import msgspec
import pytest
from redis.asyncio import Redis

from app.http import events
from app.projections import publish
from app.settings import Settings
from tests.changes import INVOICE, change
from tests.http.server import on_server
from tests.projections.conftest import feed

__all__ = ["feed"]


@asynccontextmanager
async def on_socket(settings: Settings) -> AsyncIterator[tuple[Any, httpx.AsyncClient]]:
    """The API behind a real server."""
    async with (
        on_server(settings) as (server, port),
        httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=5, trust_env=False) as client,
    ):
        yield server.app, client


@pytest.fixture
async def portal(settings: Settings, pool: asyncpg.Pool, redis: Redis) -> AsyncIterator[tuple[Any, httpx.AsyncClient]]:
    generous = msgspec.structs.replace(settings, auth_rate_per_minute=1000)
    async with on_socket(generous) as found:
        yield found


class Reader:
    """Reads one stream, event by event."""

    def __init__(self, response: httpx.Response) -> None:
        self._lines = response.aiter_lines()

    async def next(self, timeout: float = 4) -> dict[str, str]:
        async with asyncio.timeout(timeout):
            found: dict[str, str] = {}
            while True:
                line = await anext(self._lines)
                if not line and "event" in found:
                    return found
                name, _, value = line.partition(": ")
                found[name] = value


@asynccontextmanager
async def stream(client: httpx.AsyncClient, token: str, **headers: str) -> AsyncIterator[Reader]:
    bearer = {"Authorization": f"Bearer {token}", **headers}
    async with client.stream("GET", "/api/events", headers=bearer) as response:
        assert response.status_code == 200
        assert response.headers["content-type"].startswith("text/event-stream")
        reader = Reader(response)
        assert (await anext(reader._lines)) == ": welcome"
        yield reader


def invoice(number: int, who: str = "hana", at: int = 1000) -> Any:
    data = {**INVOICE, "notes": str(at)}
    return change("whmcs", "invoice", str(number), data, at=at, owner_id=f"client-{who}")


async def test_a_change_is_told_with_what_to_read_again(
    portal: Any, pool: asyncpg.Pool, redis: Redis, add_customer: Any, log_in: Any, feed: Any
) -> None:
    await add_customer("hana")
    await add_customer("ken")
    hana = await log_in(portal[1], "hana")
    async with stream(portal[1], hana["token"]) as reader:
        await feed([invoice(5, "ken"), invoice(7)])
        await publish.publish(pool, redis)
        told = await reader.next()
    assert told["event"] == "invoice.changed"
    assert json.loads(told["data"]) == {"id": "7", "version": int(told["id"])}


async def test_a_stream_goes_on_behind_the_last_event_and_repeats_none(
    portal: Any, pool: asyncpg.Pool, redis: Redis, add_customer: Any, log_in: Any, feed: Any
) -> None:
    await add_customer("hana")
    hana = await log_in(portal[1], "hana")
    async with stream(portal[1], hana["token"]) as reader:
        await feed([invoice(1)])
        await publish.publish(pool, redis)
        last = (await reader.next())["id"]
    await feed([invoice(2), invoice(3), invoice(2, at=2000)])
    async with stream(portal[1], hana["token"], **{"Last-Event-ID": last}) as reader:
        missed = [await reader.next(), await reader.next()]
        await feed([invoice(4)])
        await publish.publish(pool, redis)
        later = await reader.next()
    assert [json.loads(each["data"])["id"] for each in [*missed, later]] == ["3", "2", "4"]


async def test_what_is_forgotten_is_said_and_not_passed_over(
    portal: Any, pool: asyncpg.Pool, redis: Redis, add_customer: Any, log_in: Any, feed: Any
) -> None:
    account: UUID = await add_customer("hana")
    hana = await log_in(portal[1], "hana")
    await feed([invoice(1), invoice(2), invoice(3)])
    await pool.execute("DELETE FROM ingest.notices WHERE version < 3")
    now = await pool.fetchval("SELECT version FROM read_model.account_versions WHERE account_id = $1", account)
    for position in ("1", "900"):
        async with stream(portal[1], hana["token"], **{"Last-Event-ID": position}) as reader:
            told = await reader.next()
        assert (told["event"], told["id"]) == ("reset", str(now))


async def test_without_redis_the_stream_looks_for_itself(
    settings: Settings,
    pool: asyncpg.Pool,
    add_customer: Any,
    log_in: Any,
    feed: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(events, "POLL_SECONDS", 0.1)
    await add_customer("hana")
    async with on_socket(msgspec.structs.replace(settings, redis_url="redis://127.0.0.1:1")) as (_, client):
        hana = await log_in(client, "hana")
        async with stream(client, hana["token"]) as reader:
            await feed([invoice(7)])
            assert (await reader.next())["event"] == "invoice.changed"


async def test_a_revoked_session_hears_nothing_more(
    portal: Any, pool: asyncpg.Pool, add_customer: Any, log_in: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(events, "HEARTBEAT_SECONDS", 0.1)
    await add_customer("hana")
    hana = await log_in(portal[1], "hana")
    async with stream(portal[1], hana["token"]) as reader:
        await pool.execute("UPDATE portal.sessions SET revoked_at = now()")
        with pytest.raises(StopAsyncIteration):
            await reader.next()


async def test_streams_are_counted(
    settings: Settings, pool: asyncpg.Pool, redis: Redis, add_customer: Any, log_in: Any
) -> None:
    await add_customer("hana")
    async with on_socket(msgspec.structs.replace(settings, event_streams_per_account=1)) as (_, client):
        hana = await log_in(client, "hana")
        async with stream(client, hana["token"]):
            second = await client.get("/api/events", headers={"Authorization": f"Bearer {hana['token']}"})
            assert second.status_code == 429
            assert second.json()["code"] == "too_many_streams"


async def test_a_client_that_does_not_read_is_cut_off(
    portal: Any,
    pool: asyncpg.Pool,
    add_customer: Any,
    log_in: Any,
    feed: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(events, "SEND_SECONDS", 0.3)
    app, client = portal
    account = await add_customer("hana")
    hana = await log_in(client, "hana")
    await feed([invoice(1)])
    await pool.execute(
        "INSERT INTO ingest.notices (account_id, slice, item_id, version) "
        "SELECT $1, 'invoices', n::text, 1 FROM generate_series(1, 120000) n",
        account,
    )
    _, writer = await asyncio.open_connection(client.base_url.host, client.base_url.port)
    request = (
        f"GET /api/events HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {hana['token']}\r\nLast-Event-ID: 0\r\n\r\n"
    )
    writer.write(request.encode())
    doorbells = app.state.doorbells
    async with asyncio.timeout(60):
        while not doorbells._open:
            await asyncio.sleep(0.01)
        while doorbells._open:
            await asyncio.sleep(0.05)
    writer.close()


async def test_strangers_hear_nothing(portal: Any) -> None:
    assert (await portal[1].get("/api/events")).status_code == 401
