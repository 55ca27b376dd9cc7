"""The event stream over real sockets: changes are sent, nothing is lost, strangers get nothing, slow readers are cut
off."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import httpx
import msgspec
import pytest
from redis.asyncio import Redis

from app.http.routes import events
from app.ingest.inbox import pending
from app.ingest.versions import publish
from app.queries import changes
from app.settings import Settings
from tests.fixtures.changes import CLIENT, INVOICE, PRODUCT, SERVICE, change
from tests.http.real_server import on_server
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
    """Reads one stream, event by event, but for those about notifications, which follow from others."""

    def __init__(self, response: httpx.Response) -> None:
        self._lines = response.aiter_lines()

    async def next(self, timeout: float = 4) -> dict[str, str]:
        async with asyncio.timeout(timeout):
            found: dict[str, str] = {}
            while True:
                line = await anext(self._lines)
                if not line and found.get("event") == changes.NOTIFICATIONS:
                    found = {}
                elif not line and "event" in found:
                    return found
                name, _, value = line.partition(": ")
                found[name] = value

    async def mark(self) -> str:
        """Return the first position that the stream sends, with an event or without."""
        while not (line := await anext(self._lines)).startswith("id: "):
            pass
        return line.removeprefix("id: ")


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
    data = {**INVOICE, "invoicenum": f"N{at}"}
    return change("whmcs", "invoice", str(number), data, at=at, owner_id=f"client-{who}")


async def test_a_change_names_the_read_models_to_read_again(
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
    own, _, _ = told["id"].partition("-")
    assert json.loads(told["data"]) == {"id": "7", "version": int(own)}


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


async def test_dropped_events_are_announced(
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
        assert (told["event"], told["id"]) == ("reset", f"{now}-0")


def product(at: int, name: str) -> Any:
    return change("salesforce", "Product2", "01tA", {**PRODUCT, "Name": name}, at=at)


def price(settings: Settings) -> Any:
    data = {"Product2Id": "01tA", "Pricebook2Id": settings.salesforce_pricebook_id, "IsActive": True, "UnitPrice": 1.0}
    return change("salesforce", "PricebookEntry", "01uA", data, parent_id="01tA")


@pytest.mark.parametrize("position", ["of an event", "of the welcome", "of the account alone"])
async def test_news_of_the_catalog_are_resumed_like_the_accounts_own_and_repeated_for_nobody(
    portal: Any,
    pool: asyncpg.Pool,
    redis: Redis,
    add_customer: Any,
    log_in: Any,
    feed: Any,
    settings: Settings,
    position: str,
) -> None:
    account = await add_customer("hana")
    hana = await log_in(portal[1], "hana")
    await feed([product(0, "one"), price(settings)])
    async with stream(portal[1], hana["token"]) as reader:
        await feed([invoice(1)])
        await publish.publish(pool, redis)
        last = (await reader.next())["id"]
    own = await pool.fetchval("SELECT version FROM read_model.account_versions WHERE account_id = $1", account)
    if position == "of the welcome":
        async with stream(portal[1], hana["token"]) as reader:
            last = await reader.mark()
    elif position == "of the account alone":
        last = str(own)
    await feed([product(5000, "two")])
    async with stream(portal[1], hana["token"], **{"Last-Event-ID": last}) as reader:
        told = await reader.next()
        await feed([invoice(2)])
        await publish.publish(pool, redis)
        if position == "of the account alone":
            assert (await reader.next())["event"] == "payment_gateway.changed"
        second = await reader.next()
    assert told["event"] == "catalog.changed"
    assert second["event"] == "invoice.changed", "it is told once"
    async with stream(portal[1], hana["token"], **{"Last-Event-ID": second["id"]}) as reader:
        await feed([invoice(3)])
        await publish.publish(pool, redis)
        assert (await reader.next())["event"] == "invoice.changed", "and not again to who has heard it"


async def test_a_change_without_new_content_sends_no_event(
    portal: Any, pool: asyncpg.Pool, redis: Redis, add_customer: Any, log_in: Any, feed: Any
) -> None:
    """An edit of the client recomputes every service, and changes none."""
    await add_customer("hana")
    hana = await log_in(portal[1], "hana")
    owner = {"owner_id": "client-hana"}
    await feed(
        [
            change("whmcs", "client", "client-hana", CLIENT, **owner),
            change("whmcs", "service", "55", SERVICE, **owner),
            change("whmcs", "service", "56", SERVICE, **owner),
        ]
    )
    async with stream(portal[1], hana["token"]) as reader:
        await feed([change("whmcs", "service", "56", {**SERVICE, "notes": "x"}, at=6000, **owner)])
        await feed([change("whmcs", "client", "client-hana", {**CLIENT, "phonenumber": "1"}, at=5000, **owner)])
        await feed([invoice(7, at=6500)])
        await publish.publish(pool, redis)
        told = [await reader.next() for _ in range(2)]
        assert [each["event"] for each in told] == ["profile.changed", "invoice.changed"]
        await feed([change("whmcs", "client", "client-hana", {**CLIENT, "currency_code": "USD"}, at=7000, **owner)])
        await publish.publish(pool, redis)
        told = [await reader.next() for _ in range(3)]
    assert sorted((each["event"], json.loads(each["data"])["id"]) for each in told) == [
        ("profile.changed", ""),
        ("subscription.changed", "55"),
        ("subscription.changed", "56"),
    ]


async def test_a_draft_is_announced_to_nobody_until_it_is_issued(
    portal: Any, pool: asyncpg.Pool, redis: Redis, add_customer: Any, log_in: Any, feed: Any
) -> None:
    await add_customer("hana")
    hana = await log_in(portal[1], "hana")
    draft = {**INVOICE, "status": "Draft"}
    async with stream(portal[1], hana["token"]) as reader:
        await feed([change("whmcs", "invoice", "7", draft, owner_id="client-hana")])
        await feed([change("whmcs", "invoice", "7", {**draft, "total": "9.00"}, at=500, owner_id="client-hana")])
        await feed([invoice(8)])
        await publish.publish(pool, redis)
        assert json.loads((await reader.next())["data"])["id"] == "8"
        await feed([invoice(7, at=2000)])
        await publish.publish(pool, redis)
        assert json.loads((await reader.next())["data"])["id"] == "7"


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
    subscribers = app.state.subscribers
    async with asyncio.timeout(60):
        while not subscribers._open:
            await asyncio.sleep(0.01)
        while subscribers._open:
            await asyncio.sleep(0.05)
    writer.close()


async def test_strangers_hear_nothing(portal: Any) -> None:
    assert (await portal[1].get("/api/events")).status_code == 401


async def test_the_end_of_a_command_is_sent_and_sent_again_to_who_resumes_before_it(
    portal: Any, pool: asyncpg.Pool, redis: Redis, add_customer: Any, log_in: Any, feed: Any
) -> None:
    account, command = await add_customer("hana"), uuid4()
    hana = await log_in(portal[1], "hana")
    await feed([invoice(1)])
    async with stream(portal[1], hana["token"]) as reader:
        start = await reader.mark()
        async with pool.acquire() as connection, connection.transaction():
            await pending.note(connection, account, command, "rejected")
        await publish.publish(pool, redis)
        told = await reader.next()
    assert told["event"] == "command.settled"
    version = int(start.partition("-")[0]) + 1
    assert json.loads(told["data"]) == {"id": str(command), "version": version, "outcome": "rejected"}
    async with stream(portal[1], hana["token"], **{"Last-Event-ID": start}) as reader:
        again = await reader.next()
        assert (again["event"], again["data"]) == (told["event"], told["data"])
        await feed([invoice(2)])
        await publish.publish(pool, redis)
        assert (await reader.next())["event"] == "invoice.changed", "once"


async def test_an_event_is_news_to_answers_before_it_and_to_none_after_it(
    portal: Any, pool: asyncpg.Pool, redis: Redis, add_customer: Any, log_in: Any, feed: Any
) -> None:
    await add_customer("hana")
    hana = await log_in(portal[1], "hana")
    bearer = {"Authorization": f"Bearer {hana['token']}"}
    client = change("whmcs", "client", "client-hana", CLIENT, owner_id="client-hana")
    await feed([client])
    for number in range(3):
        before = await portal[1].get("/api/account/profile", headers=bearer)
        async with stream(portal[1], hana["token"]) as reader:
            await feed(
                [
                    change(
                        "whmcs",
                        "client",
                        "client-hana",
                        {**CLIENT, "city": f"C{number}"},
                        at=5000 + number,
                        owner_id="client-hana",
                    )
                ]
            )
            await publish.publish(pool, redis)
            told = json.loads((await reader.next())["data"])
        async with asyncio.timeout(10):
            while (after := await portal[1].get("/api/account/profile", headers=bearer)).content == before.content:
                assert int(after.headers["account-version"]) < told["version"], "an answer never claims what it lacks"
        assert int(before.headers["account-version"]) < told["version"] == int(after.headers["account-version"])
