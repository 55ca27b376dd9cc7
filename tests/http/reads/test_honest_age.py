"""Freshness in answers is true, whatever is silent, unavailable, parked or was never read."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
import httpx
import msgspec
import pytest
from litestar import Litestar
from redis.asyncio import Redis

from app.cache.lease import heard_everywhere
from app.settings import Settings
from tests.fixtures.changes import CARD, CLIENT, INVOICE, ORDER, PRODUCT, SERVICE, change
from tests.fixtures.remembered import forget_everywhere
from tests.projections.conftest import feed

__all__ = ["feed"]

BY_FEED = (
    "/api/public/services",
    "/api/public/services/sim",
    "/api/public/services/sim/SIM-5GB",
    "/api/account/services",
    "/api/account/services/sim",
    "/api/account/eligibility",
    "/api/orders",
    "/api/orders/801A",
    "/api/account/summary",
    "/api/account/timeline",
    "/api/account/notifications",
    "/api/subscriptions/55/plans",
)
"""What change events keep current, wholly or in part."""
BY_READS = (
    "/api/invoices",
    "/api/invoices/77",
    "/api/subscriptions",
    "/api/subscriptions/55",
    "/api/subscriptions/55/invoices",
    "/api/payment-methods",
    "/api/payment-gateways",
    "/api/account/profile",
    "/api/account/address",
)
OF_HANA = {"owner_id": "client-hana"}
LISTS = ("client_invoices", "client_services", "pay_methods", "client")
WAYS = {"as it is asked most": {}, "as an ordinary route": {"Prefer": "wait=0"}}
SOON_SECONDS = 8


@pytest.fixture
async def hana(
    api: httpx.AsyncClient, pool: asyncpg.Pool, settings: Settings, add_customer: Any, log_in: Any, feed: Any
) -> dict[str, str]:
    """Everything a customer may have, fresh, and her headers."""
    await add_customer("hana")
    price = {"Product2Id": "01tA", "Pricebook2Id": settings.salesforce_pricebook_id, "IsActive": True, "UnitPrice": 1.0}
    await feed(
        [
            change("salesforce", "Product2", "01tA", PRODUCT),
            change("salesforce", "PricebookEntry", "01uA", price, parent_id="01tA"),
            change("salesforce", "Account", "account-hana", {"Name": "Hana"}, owner_id="account-hana"),
            change("salesforce", "Order", "801A", ORDER, owner_id="account-hana"),
            change("whmcs", "client", "client-hana", CLIENT, **OF_HANA),
            change("whmcs", "service", "55", SERVICE, **OF_HANA),
            change("whmcs", "pay_method", "9", CARD, **OF_HANA),
            change("whmcs", "gateway", "mailin", {"displayname": "Bank transfer"}),
            change("whmcs", "invoice", "77", INVOICE, **OF_HANA),
        ]
    )
    await feed_answered(pool, settings, 0)
    await read_ago(pool, 0)
    return {"authorization": f"Bearer {(await log_in(api, 'hana'))['token']}"}


async def feed_answered(pool: asyncpg.Pool, settings: Settings, seconds_ago: float) -> None:
    await pool.execute(
        "INSERT INTO read_model.feeds (feed, as_of) VALUES ($1, now() - $2 * interval '1 second') "
        "ON CONFLICT (feed) DO UPDATE SET as_of = excluded.as_of",
        settings.salesforce_channel,
        seconds_ago,
    )


async def read_ago(pool: asyncpg.Pool, seconds: float) -> None:
    """As if everything of WHMCS had been read so long ago."""
    at = "now() - $1 * interval '1 second'"
    await pool.execute(
        f"INSERT INTO generations.freshness_1 SELECT account_id, r, {at} FROM portal.id_mappings, unnest($2::text[]) r "
        "ON CONFLICT (account_id, resource) DO UPDATE SET verified_at = excluded.verified_at",
        seconds,
        list(LISTS),
    )
    for table in ("invoices", "subscriptions", "payment_methods", "profiles", "gateways", "orders"):
        await pool.execute(f"UPDATE generations.{table}_1 SET as_of = {at}", seconds)
    await pool.execute(f"UPDATE read_model.documents SET as_of = {at}", seconds)


async def said(api: httpx.AsyncClient, path: str, headers: dict[str, str]) -> tuple[bool, str | None]:
    response = await api.get(path, headers={} if "/public/" in path else headers)
    assert response.status_code == 200, (path, response.text)
    body = response.json()
    return body["stale"], body["stale_reason"]


async def everywhere(api: httpx.AsyncClient, headers: dict[str, str], paths: tuple[str, ...]) -> dict[str, Any]:
    """Return the answers of the fast path and of the ordinary routes, which must agree."""
    found = {}
    for path in paths:
        ways = [await said(api, path, headers | more) for more in WAYS.values()]
        assert ways[0] == ways[1], path
        found[path] = ways[0]
    return found


async def test_a_fresh_answer_says_so(api: httpx.AsyncClient, hana: dict[str, str]) -> None:
    assert set((await everywhere(api, hana, BY_FEED + BY_READS)).values()) == {(False, None)}


async def test_answers_of_a_dead_feed_are_stalled_until_it_is_back(
    api: httpx.AsyncClient, hana: dict[str, str], pool: asyncpg.Pool, redis: Redis, settings: Settings
) -> None:
    await feed_answered(pool, settings, settings.feed_bound_seconds - 30)
    await forget_everywhere(pool, redis)
    assert set((await everywhere(api, hana, BY_FEED)).values()) == {(False, None)}
    await feed_answered(pool, settings, settings.feed_bound_seconds + 1)
    await forget_everywhere(pool, redis)
    assert set((await everywhere(api, hana, BY_FEED)).values()) == {(True, "feed_stalled")}
    assert set((await everywhere(api, hana, BY_READS)).values()) == {(False, None)}
    assert await pool.fetchval("SELECT count(*) FROM ingest.inbox WHERE object = 'account_history'") == 0
    await feed_answered(pool, settings, 0)
    await heard_everywhere()
    assert set((await everywhere(api, hana, BY_FEED)).values()) == {(False, None)}


async def test_a_feed_that_answers_and_is_known_to_deliver_nothing_is_stalled_at_once_for_every_process(
    api: httpx.AsyncClient, hana: dict[str, str], serve: Any, pool: asyncpg.Pool, settings: Settings
) -> None:
    async with serve(settings) as another:
        for process in (api, another):
            assert await said(process, "/api/orders", hana) == (False, None)
        await pool.execute("UPDATE read_model.feeds SET silent_since = now() - interval '40 seconds'")
        await heard_everywhere()
        for process in (api, another):
            assert await said(process, "/api/orders", hana) == (True, "feed_stalled")
            assert await said(process, "/api/public/services", hana) == (True, "feed_stalled")
        await pool.execute("UPDATE read_model.feeds SET silent_since = NULL")
        await heard_everywhere()
        for process in (api, another):
            assert await said(process, "/api/orders", hana) == (False, None)


async def test_a_cached_answer_turns_stale_at_its_bound_without_any_change(
    serve: Any, hana: dict[str, str], pool: asyncpg.Pool, settings: Settings
) -> None:
    bound_seconds = 3.0
    async with serve(msgspec.structs.replace(settings, feed_bound_seconds=bound_seconds)) as api:
        for path in ("/api/orders", "/api/public/services/sim", "/api/account/eligibility"):
            await feed_answered(pool, settings, 0)
            fresh = await api.get(path, headers=hana)
            if not fresh.json()["stale"]:
                held = {"if-none-match": fresh.headers["etag"]}
                await asyncio.sleep(bound_seconds + 0.3)
                late = await api.get(path, headers=hana | held)
                assert late.status_code == 200, "who holds the fresh one must learn of it"
                assert late.json()["stale_reason"] == "feed_stalled"


async def test_past_its_bound_an_answer_says_whether_its_upstream_can_be_asked_at_all(
    api: httpx.AsyncClient, hana: dict[str, str], pool: asyncpg.Pool, redis: Redis
) -> None:
    await pool.execute("INSERT INTO read_model.upstreams (upstream, state) VALUES ('whmcs', 'open')")
    await forget_everywhere(pool, redis)
    assert set((await everywhere(api, hana, BY_READS)).values()) == {(False, None)}, "it is young enough all the same"
    await read_ago(pool, 100_000)
    await forget_everywhere(pool, redis)
    assert set((await everywhere(api, hana, BY_READS)).values()) == {(True, "upstream_away")}
    await pool.execute("UPDATE read_model.upstreams SET state = 'closed'")
    assert set((await everywhere(api, hana, BY_READS)).values()) == {(True, "past_bound")}


async def park(pool: asyncpg.Pool, source: str, object_name: str, record_id: str, owner_id: str | None) -> int:
    entry = await pool.fetchval(
        "INSERT INTO ingest.inbox (source, event_id, object, record_id, kind, origin, version, occurred_at, owner_id, "
        "submission, lane, shard) VALUES ($1, gen_random_uuid()::text, $2, $3, 'full', 'cdc', 1, now(), $4, 1, "
        "'apply', 0) RETURNING id",
        source,
        object_name,
        record_id,
        owner_id,
    )
    return await pool.fetchval(  # type: ignore[no-any-return]
        "INSERT INTO ingest.dead_letters (entry_id, source, object, record_id, error, stack, attempts) "
        "VALUES ($1, $2, $3, $4, 'x', 'x', 5) RETURNING id",
        entry,
        source,
        object_name,
        record_id,
    )


@pytest.mark.parametrize(
    ("source", "object_name", "record_id", "owner_id", "paths"),
    [
        ("whmcs", "invoice", "77", "client-hana", ("/api/invoices", "/api/invoices/77", "/api/account/summary")),
        ("whmcs", "client", "client-hana", "client-hana", ("/api/account/profile", "/api/account/address")),
        ("salesforce", "Order", "801A", "account-hana", ("/api/orders", "/api/orders/801A", "/api/account/timeline")),
        ("salesforce", "Account", "account-hana", "account-hana", ("/api/account/eligibility",)),
        ("salesforce", "Product2", "01tA", None, ("/api/public/services", "/api/account/services/sim")),
        ("whmcs", "gateway", "mailin", None, ("/api/payment-gateways",)),
    ],
)
async def test_an_answer_with_a_parked_change_says_so_until_staff_decide(
    api: httpx.AsyncClient, hana: dict[str, str], pool: asyncpg.Pool, source: str, object_name: str, record_id: str,
    owner_id: str | None, paths: tuple[str, ...]
) -> None:  # fmt: skip
    await everywhere(api, hana, paths)
    letter = await park(pool, source, object_name, record_id, owner_id)
    await heard_everywhere()
    assert set((await everywhere(api, hana, paths)).values()) == {(True, "parked")}
    await pool.execute(
        "UPDATE ingest.dead_letters SET resolved_at = now(), resolution = 'discarded' WHERE id = $1", letter
    )
    await heard_everywhere()
    await asyncio.sleep(1.1)
    assert set((await everywhere(api, hana, paths)).values()) == {(False, None)}


async def test_a_parked_child_counts_once_its_parent_names_the_owner(
    api: httpx.AsyncClient, hana: dict[str, str], pool: asyncpg.Pool, feed: Any
) -> None:
    entry = await park(pool, "salesforce", "OrderItem", "802X", None)
    await pool.execute("UPDATE ingest.inbox SET parent_id = '801X'")
    await pool.execute("UPDATE ingest.dead_letters SET attempts = 6 WHERE id = $1", entry)
    assert await said(api, "/api/orders", hana) == (False, None)
    await feed([change("salesforce", "Order", "801X", ORDER, owner_id="account-hana")])
    await heard_everywhere()
    assert await said(api, "/api/orders", hana) == (True, "parked")


async def test_a_feed_that_never_answered_is_not_taken_for_a_fresh_one(
    api: httpx.AsyncClient, hana: dict[str, str], pool: asyncpg.Pool, redis: Redis
) -> None:
    await pool.execute("DELETE FROM read_model.feeds")
    await forget_everywhere(pool, redis)
    shown = ("/api/public/services", "/api/account/services/sim", "/api/account/eligibility")
    assert set((await everywhere(api, hana, shown)).values()) == {(True, "never_verified")}


@pytest.mark.parametrize(
    ("resource", "paths"),
    [
        ("client_invoices", ("/api/invoices", "/api/account/summary", "/api/account/timeline")),
        ("pay_methods", ("/api/payment-methods",)),
    ],
)
async def test_a_list_that_cannot_be_read_at_all_is_not_promised_in_a_moment(
    api: httpx.AsyncClient,
    hana: dict[str, str],
    pool: asyncpg.Pool,
    redis: Redis,
    resource: str,
    paths: tuple[str, ...],
) -> None:
    await pool.execute("DELETE FROM generations.freshness_1 WHERE resource = $1", resource)
    await forget_everywhere(pool, redis)

    async def told(path: str) -> tuple[int, str, int]:
        problem = (await api.get(path, headers=hana)).json()
        assert problem["code"] == "not_ready", problem
        return problem["status"], problem["detail"], problem["retry_after"]

    for path in paths:
        status, detail, soon = await told(path)
        assert (status, "in a moment" in detail) == (503, True)
        letter = await park(pool, "whmcs", resource, "client-hana", "client-hana")
        status, detail, later = await told(path)
        assert status == 503
        assert "in a moment" not in detail
        assert "our staff are informed" in detail
        assert later > 10 * soon
        await pool.execute("DELETE FROM ingest.dead_letters WHERE id = $1", letter)
        await pool.execute("INSERT INTO read_model.upstreams (upstream, state) VALUES ('whmcs', 'open')")
        assert "cannot be reached" in (await told(path))[1]
        await pool.execute("DELETE FROM read_model.upstreams")


@asynccontextmanager
async def locked(engines: tuple[str, str], tables: str) -> AsyncIterator[None]:
    """Somebody holds these tables against everybody, as a migration or a careless operator does."""
    connection = await asyncpg.connect(engines[0])
    try:
        async with connection.transaction():
            await connection.execute(f"LOCK TABLE {tables} IN ACCESS EXCLUSIVE MODE")
            yield
    finally:
        await connection.close()


async def test_no_read_waits_for_a_table_of_the_writing_side(
    running: tuple[Litestar, httpx.AsyncClient],
    hana: dict[str, str],
    pool: asyncpg.Pool,
    redis: Redis,
    engines: tuple[str, str],
) -> None:
    """Cold caches, lists that are to be verified, and a demand for an age: every answer comes all the same."""
    app, api = running
    documented = app.openapi_schema.to_schema()["paths"]
    templates = [path for path, methods in documented.items() if "get" in methods and _is_a_read(path)]
    own = {"invoice_id": "77", "subscription_id": "55", "order_id": "801A", "category": "sim", "sku": "SIM-5GB"}
    paths = [template.format_map(own) for template in templates]
    assert {*BY_FEED, *BY_READS} <= set(paths)
    await read_ago(pool, 100_000)
    await forget_everywhere(pool, redis)
    async with locked(engines, "ingest.inbox, ingest.dead_letters"):
        for more in ({}, {"Prefer": "wait=0"}, {"Cache-Control": "no-cache", "Prefer": "wait=0.2"}):
            for path in paths:
                async with asyncio.timeout(SOON_SECONDS):
                    response = await api.get(path, headers=hana | more)
                assert response.status_code == 200, (path, more, response.text)


def _is_a_read(path: str) -> bool:
    """Return whether a route is a read of an account or of everybody, live reads and streams left out."""
    live = (
        "/api/account/export",
        "/api/cases",
        "/usage",
        "/api/events",
        "/api/admin",
        "/api/health",
        "/api/auth",
        "/api/commands",
    )
    return path.startswith("/api/") and not any(word in path for word in live)
