"""An invented former version over real sockets: ordinary and fast path, validators, problems, requests, events."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import aclosing
from datetime import datetime
from typing import Any

import asyncpg
import httpx
import msgspec
import pytest
from redis.asyncio import Redis

from app.cache.lease import heard_everywhere
from app.ingest.versions import publish
from app.settings import Settings
from tests.fixtures.changes import SERVICE, change
from tests.http.conftest import PASSWORD, served
from tests.http.fast.test_path import hana, invoice, layers
from tests.http.versions import invented
from tests.http.versions.invented import FORMER, NEWEST, Clock
from tests.projections.conftest import feed

__all__ = ["feed", "hana"]

ORDINARY = {"Prefer": "wait=0"}
OLD, NEW = {"Portal-Version": FORMER}, {"Portal-Version": NEWEST}
LIST, ITEM, PROFILE = "/api/invoices", "/api/invoices/77", "/api/account/profile"
CATALOG, MISSING = "/api/public/services", "/api/orders/801NONE"


@pytest.fixture
def clock() -> Clock:
    return Clock(datetime.fromisoformat("2027-07-01T00:00:00+00:00"))


@pytest.fixture
async def running(settings: Settings, pool: asyncpg.Pool, redis: Redis, clock: Clock) -> AsyncIterator[Any]:
    rates = dict.fromkeys(("auth_rate_per_minute", "public_rate_per_minute", "account_rate_per_minute"), 100_000)
    patient = msgspec.structs.replace(settings, **rates, read_deadline_seconds=60, command_deadline_seconds=60)
    async with served(patient, invented.contract(clock)) as found:
        yield found


async def hot(running: Any, api: httpx.AsyncClient, path: str, headers: dict[str, str]) -> httpx.Response:
    """Ask until the answer comes from memory: a busy process may lose its lease."""
    async with asyncio.timeout(120):
        while True:
            before = layers(running).hits
            found = await api.get(path, headers=headers)
            if layers(running).hits > before:
                return found


async def test_each_path_answers_in_the_version_that_is_named(
    running: Any, api: httpx.AsyncClient, hana: dict[str, str]
) -> None:
    for ask in ("ordinary", "hot", "hot", "ordinary"):

        async def get(path: str, version: dict[str, str], ask: str = ask) -> Any:
            headers = hana | version | (ORDINARY if ask == "ordinary" else {})
            found = await (hot(running, api, path, headers) if ask == "hot" else api.get(path, headers=headers))
            assert found.status_code == 200
            named = version.get("Portal-Version", FORMER)
            assert (found.headers["portal-version"], found.headers["vary"]) == (
                named,
                "Accept-Encoding, Portal-Version, Accept-Language",
            )
            assert ("sunset" in found.headers) == (named == FORMER)
            return found.json()

        for version in (OLD, {}):
            assert {"bill_number"} == {"bill_number", "number"} & set((await get(LIST, version))["items"][0])
            assert "telephone" in await get(PROFILE, version)
            assert (await get(ITEM, version))["status"] == "collections"
        assert {"number"} == {"bill_number", "number"} & set((await get(LIST, NEW))["items"][0])
        assert "phone" in await get(PROFILE, NEW)
        assert (await get(ITEM, NEW))["status"] in ("unpaid", "overdue")


async def test_a_version_has_validators_of_its_own_on_each_path(
    running: Any, api: httpx.AsyncClient, hana: dict[str, str]
) -> None:
    tags = {}
    for name, version in (("old", OLD), ("new", NEW)):
        ordinary = await api.get(LIST, headers=hana | version | ORDINARY)
        kept = await hot(running, api, LIST, hana | version)
        assert kept.headers["etag"].removeprefix("W/") == ordinary.headers["etag"]
        assert kept.content == ordinary.content
        tags[name] = ordinary.headers["etag"]
    assert tags["old"] != tags["new"]
    for more in (ORDINARY, {}):
        for version, tag, status in (
            (OLD, tags["old"], 304),
            (OLD, tags["new"], 200),
            (NEW, tags["new"], 304),
            (NEW, tags["old"], 200),
            (OLD, f'W/"x", {tags["old"]}', 304),
            (OLD, "*", 304),
        ):
            found = await api.get(LIST, headers=hana | version | more | {"If-None-Match": tag})
            assert found.status_code == status, (version, tag, more)
            assert found.headers["etag"].removeprefix("W/") == tags["old" if version is OLD else "new"]
            assert found.headers["vary"] == "Accept-Encoding, Portal-Version, Accept-Language"


async def test_what_versions_share_has_the_same_bytes_and_validator_in_each(
    running: Any, api: httpx.AsyncClient, hana: dict[str, str]
) -> None:
    for more in (ORDINARY, {}):
        found = [await api.get("/api/subscriptions", headers=hana | each | more) for each in (OLD, NEW)]
        assert found[0].content == found[1].content
        assert len({each.headers["etag"].removeprefix("W/") for each in found}) == 1


async def test_a_changed_status_is_answered_on_each_path(
    running: Any, api: httpx.AsyncClient, hana: dict[str, str]
) -> None:
    for more in (ORDINARY, {}, {}):
        assert [(await api.get(CATALOG, headers=each | more)).status_code for each in (OLD, NEW)] == [203, 200]
        problem = await api.get(MISSING, headers=hana | OLD | more)
        assert (problem.status_code, problem.json()["status"], problem.json()["code"]) == (
            *(422, 422),
            "order_not_found",
        )
        assert problem.json()["title"] == "Unprocessable Entity"
        assert problem.headers["portal-version"] == FORMER
        assert (await api.get(MISSING, headers=hana | NEW | more)).status_code == 404


async def test_a_former_request_is_understood_and_a_newer_one_is_not(
    running: Any, api: httpx.AsyncClient, hana: dict[str, str]
) -> None:
    assert (await api.get(f"{LIST}?state=paid", headers=hana | OLD)).json()["items"] == []
    assert (await api.get(f"{LIST}?state=paid", headers=hana | NEW)).status_code == 400
    assert (await api.get(f"{LIST}?status=paid", headers=hana | NEW)).json()["items"] == []
    login = {"user": "hana@example.jp", "password": PASSWORD}
    assert "csrf" in (await api.post("/api/auth/login", json=login, headers=OLD)).json()
    assert (await api.post("/api/auth/login", json=login, headers=NEW)).status_code == 400
    twice = b'{"user":"hana@example.jp","user":"x@example.jp","password":"x"}'
    refused = await api.post("/api/auth/login", content=twice, headers={**OLD, "Content-Type": "application/json"})
    assert (refused.status_code, refused.json()["code"]) == (400, "repeated_field")
    head = await api.head(LIST, headers=hana | OLD)
    plain = await api.get(LIST, headers=hana | OLD | ORDINARY)
    assert (head.headers["etag"], head.headers["content-length"]) == (
        plain.headers["etag"],
        plain.headers["content-length"],
    )


async def test_an_unknown_version_is_refused_everywhere_with_the_list_of_versions(
    running: Any, api: httpx.AsyncClient, hana: dict[str, str]
) -> None:
    for path in (LIST, ITEM, CATALOG, "/api/auth/me", "/api/nowhere", "/api/events", "/api/health/live"):
        for named in ("2099-01-01", "", "2026-11-29"):
            refused = await api.get(path, headers=hana | {"Portal-Version": named})
            problem = refused.json()
            assert (refused.status_code, problem["code"]) == (400, "version_unknown"), path
            assert problem["errors"][0]["params"] == {"choices": [NEWEST, FORMER]}
            assert "pointer" not in problem["errors"][0]
            assert refused.headers["cache-control"] == "no-store"
    found = await api.get(LIST, headers=[*hana.items(), *OLD.items(), *OLD.items()])
    assert (found.status_code, found.json()["code"]) == (400, "repeated_header")
    assert "portal-version" not in (await api.get("/schema", headers={"Portal-Version": "x"})).headers


async def test_a_version_that_has_ended_is_refused_on_each_path_and_its_copies_with_it(
    running: Any, api: httpx.AsyncClient, hana: dict[str, str], clock: Clock
) -> None:
    await hot(running, api, LIST, hana | OLD)
    clock.now = datetime.fromisoformat("2028-01-01T00:00:00+00:00").timestamp()
    for more in (ORDINARY, {}):
        refused = await api.get(LIST, headers=hana | OLD | more)
        assert (refused.status_code, refused.json()["code"]) == (400, "version_removed")
        assert refused.json()["errors"][0]["params"] == {"choices": [NEWEST]}
        unnamed = await api.get(LIST, headers=hana | more)
        assert (unnamed.headers["portal-version"], "number" in unnamed.json()["items"][0]) == (NEWEST, True)


async def test_events_come_in_the_version_of_their_stream(
    running: Any, api: httpx.AsyncClient, hana: dict[str, str], pool: asyncpg.Pool, redis: Redis, feed: Any
) -> None:
    start = {"Last-Event-ID": (await api.get(PROFILE, headers=hana | ORDINARY)).headers["account-version"]}
    service = change("whmcs", "service", "55", {**SERVICE, "name": "Another"}, at=5, owner_id="client-hana")
    await feed([service, invoice(77, at=5, invoicenum="N5")])
    await publish.publish(pool, redis)
    await heard_everywhere()
    found = {}
    for name, version in (("old", OLD), ("new", NEW)):
        found[name] = await events(api, hana | version | start)
    new_names, old_names = [[each["event"] for each in found[name]] for name in ("new", "old")]
    assert {"invoice.changed", "subscription.changed"} <= set(new_names)
    assert old_names == [
        "bill.changed" if each == "invoice.changed" else each for each in new_names if "subs" not in each
    ]
    bill = next(each for each in found["old"] if each["event"] == "bill.changed")
    assert json.loads(bill["data"]) == {"number": "77"}


async def events(api: httpx.AsyncClient, headers: dict[str, str]) -> list[dict[str, str]]:
    """Read the stream until it has sent what there is about the invoice."""
    found: list[dict[str, str]] = []
    async with asyncio.timeout(60), api.stream("GET", "/api/events", headers=headers) as response:
        assert response.headers["portal-version"] == headers["Portal-Version"]
        block: dict[str, str] = {}
        async with aclosing(response.aiter_lines()) as lines:
            async for line in lines:
                name, _, value = line.partition(": ")
                if line:
                    block[name] = value
                    continue
                if "event" in block:
                    found.append(block)
                if block.get("id", "").startswith(str(await version_of(api, headers))) and found:
                    return found
                block = {}
    return found


async def version_of(api: httpx.AsyncClient, headers: dict[str, str]) -> str:
    """Return the version of the account now."""
    own = {"authorization": headers["authorization"]} | ORDINARY
    return (await api.get(PROFILE, headers=own)).headers["account-version"]
