"""The fast path: the same answers as the ordinary routes, sooner, and no effect on any other request."""

import asyncio
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import httpx
import msgspec
import pytest
from litestar import Litestar
from redis.asyncio import Redis
from structlog.testing import capture_logs

from app.cache.lease import heard_everywhere
from app.http.answering.query_response import VARY
from app.http.fast.routes import HotRoute, HotRoutes
from app.http.policies.policy import CUSTOMER
from app.http.policies.table import routes_of
from app.queries.cache.answer_cache import Layers
from app.settings import Settings
from tests.fixtures.changes import CARD, CLIENT, INVOICE, ORDER, PRODUCT, SERVICE, change
from tests.fixtures.remembered import forget_everywhere
from tests.projections.conftest import feed

__all__ = ["feed"]

ORDINARY = {"Prefer": "wait=0"}
"""Asks for the ordinary route, and for nothing else."""
OWN = {"invoice_id": "77", "subscription_id": "55", "order_id": "801A", "category": "sim", "sku": "SIM-5GB"}
CHANGING = {"x-request-id", "ratelimit", "date"}


def invoice(number: int, who: str = "hana", at: int = 0, **more: Any) -> Any:
    return change("whmcs", "invoice", str(number), {**INVOICE, **more}, at=at, owner_id=f"client-{who}")


@pytest.fixture
async def hana(
    api: httpx.AsyncClient, pool: asyncpg.Pool, settings: Settings, add_customer: Any, log_in: Any, feed: Any
) -> dict[str, str]:
    """Everything a customer may have, and her headers."""
    await add_customer("hana")
    await pool.execute("INSERT INTO read_model.feeds (feed, as_of) VALUES ($1, now())", settings.salesforce_channel)
    owner = {"owner_id": "client-hana"}
    price = {"Product2Id": "01tA", "Pricebook2Id": settings.salesforce_pricebook_id, "IsActive": True, "UnitPrice": 1.0}
    await feed(
        [
            change("salesforce", "Product2", "01tA", PRODUCT),
            change("salesforce", "PricebookEntry", "01uA", price, parent_id="01tA"),
            change("salesforce", "Account", "account-hana", {"Name": "Hana"}, owner_id="account-hana"),
            change("salesforce", "Order", "801A", ORDER, owner_id="account-hana"),
            change("whmcs", "client", "client-hana", CLIENT, **owner),
            change("whmcs", "service", "55", SERVICE, **owner),
            change("whmcs", "pay_method", "9", CARD, **owner),
            change("whmcs", "gateway", "mailin", {"displayname": "Bank transfer"}),
            *(invoice(number) for number in range(50, 78)),
        ]
    )
    await pool.execute(
        "INSERT INTO read_model.freshness SELECT account_id, r, now() FROM portal.id_mappings, "
        "unnest(ARRAY['client_invoices', 'client_services', 'pay_methods', 'client']) r ON CONFLICT DO NOTHING"
    )
    await pool.execute("UPDATE generations.freshness_1 SET verified_at = now()")
    for table in ("invoices", "subscriptions", "payment_methods", "profiles", "gateways"):
        await pool.execute(f"UPDATE generations.{table}_1 SET as_of = now()")
    await pool.execute("UPDATE read_model.documents SET as_of = now()")
    return {"authorization": f"Bearer {(await log_in(api, 'hana'))['token']}"}


def layers(running: tuple[Litestar, Any]) -> Layers:
    found: Layers = running[0].state.layers.cache.layers()
    return found


def told(response: httpx.Response) -> dict[str, str]:
    return {name: value for name, value in response.headers.items() if name not in CHANGING}


def hot_routes(running: tuple[Litestar, Any], settings: Settings) -> list[HotRoute]:
    return HotRoutes(settings, routes_of(running[0])).all()


async def test_the_fast_path_answers_as_the_ordinary_route_from_every_layer(
    running: Any, api: httpx.AsyncClient, hana: dict[str, str], settings: Settings
) -> None:
    for template in [route.template for route in hot_routes(running, settings)]:
        path = template.format(**OWN)
        headers = {} if "/public/" in path else hana
        ordinary = await api.get(path, headers=headers | ORDINARY)
        assert ordinary.status_code == 200, (template, ordinary.text)
        before = layers(running)
        drawn = await api.get(path, headers=headers)
        assert layers(running).drawn == before.drawn + 1, template
        async with asyncio.timeout(20):  # a busy process may lose its lease, and then uses neither memory nor Redis
            while layers(running).hits == before.hits:
                kept = await api.get(path, headers=headers)
            while layers(running).copied == before.copied:
                running[0].state.layers.cache.memory.clear()
                await heard_everywhere()
                await asyncio.sleep(0.05)
                copied = await api.get(path, headers=headers)
        for each in (drawn, kept, copied):
            assert each.content == ordinary.content
            assert told(each) == told(ordinary)
            held = await api.get(path, headers={**headers, "if-none-match": f'"x", W/{each.headers["etag"]}'})
            assert (held.status_code, held.content) == (304, b"")
            assert held.headers["cache-control"] == ordinary.headers["cache-control"]


def test_every_hot_route_is_an_ordinary_one_with_the_same_policy(running: Any, settings: Settings) -> None:
    policies = {route.path: route.policy for route in routes_of(running[0]) if route.method == "GET"}
    found = hot_routes(running, settings)
    assert len(found) == sum(policy.fast is not None for policy in policies.values()) == 14
    for route in found:
        policy = policies[route.template]
        assert policy.roles == (None if route.public else CUSTOMER)
        assert route.limit == policy.limit == ("public" if route.public else "account")


async def test_a_change_shows_in_every_process_within_the_bound(
    running: Any, serve: Any, settings: Settings, api: httpx.AsyncClient, hana: dict[str, str], feed: Any
) -> None:
    async with serve(settings) as another:
        for number in range(1, 5):
            await feed([invoice(77, at=number, invoicenum=f"N{number}")])
            await heard_everywhere()
            for process in (api, another):
                for _ in range(2):
                    assert (await process.get("/api/invoices", headers=hana)).json()["items"][0][
                        "number"
                    ] == f"N{number}"
                    assert (await process.get("/api/invoices/77", headers=hana)).json()["number"] == f"N{number}"


async def test_no_caller_gets_an_answer_kept_for_another(
    running: Any, api: httpx.AsyncClient, hana: dict[str, str], add_customer: Any, log_in: Any, pool: asyncpg.Pool
) -> None:
    ken_id: UUID = await add_customer("ken")
    await pool.execute("INSERT INTO read_model.freshness VALUES ($1, 'client_invoices', now())", ken_id)
    ken = {"authorization": f"Bearer {(await log_in(api, 'ken'))['token']}"}
    for _ in range(3):
        assert len((await api.get("/api/invoices", headers=hana)).json()["items"]) == 25
        assert (await api.get("/api/invoices/77", headers=hana)).status_code == 200
        assert (await api.get("/api/invoices", headers=ken)).json()["items"] == []
        assert (await api.get("/api/invoices/77", headers=ken)).status_code == 404
        assert (await api.get("/api/invoices/77")).status_code == 401


async def test_a_session_that_ended_opens_nothing_that_is_kept(
    running: Any, serve: Any, settings: Settings, api: httpx.AsyncClient, hana: dict[str, str]
) -> None:
    async with serve(settings) as another:
        for process in (api, another):
            assert [(await process.get("/api/invoices", headers=hana)).status_code for _ in range(2)] == [200, 200]
        assert (await api.post("/api/auth/logout", headers=hana)).status_code == 204
        for process in (api, another):
            assert (await process.get("/api/invoices", headers=hana)).status_code == 401


async def test_the_answer_to_a_logout_waits_until_no_process_can_be_behind(
    running: Any, api: httpx.AsyncClient, hana: dict[str, str]
) -> None:
    """A process that hears nothing keeps its lease for a while; the answer comes after that."""
    opened = running[0].state.layers
    assert (await api.get("/api/invoices", headers=hana)).status_code == 200
    opened.lease._forget = lambda word: None  # deaf from now on, and with a lease that ends
    await opened.lease._background.close()
    assert (await api.post("/api/auth/logout", headers=hana)).status_code == 204
    assert (await api.get("/api/invoices", headers=hana)).status_code == 401


async def test_use_from_memory_keeps_a_session_from_growing_idle(
    running: Any, api: httpx.AsyncClient, hana: dict[str, str], pool: asyncpg.Pool
) -> None:
    await api.get("/api/invoices", headers=hana)
    await pool.execute("UPDATE portal.sessions SET last_seen_at = now() - interval '20 minutes'")
    await heard_everywhere()
    await api.get("/api/invoices", headers=hana)
    async with asyncio.timeout(20):  # written down behind the answer
        while not await pool.fetchval("SELECT now() - last_seen_at < interval '1 minute' FROM portal.sessions"):
            await asyncio.sleep(0.02)
    await pool.execute("UPDATE portal.sessions SET last_seen_at = now() - interval '31 minutes'")
    await heard_everywhere()
    assert (await api.get("/api/invoices", headers=hana)).status_code == 401


async def test_staff_get_no_further_than_elsewhere(
    api: httpx.AsyncClient, hana: dict[str, str], pool: asyncpg.Pool
) -> None:
    await api.get("/api/invoices", headers=hana)
    await pool.execute("UPDATE portal.users SET role = 'support'")
    await heard_everywhere()
    refused = await api.get("/api/invoices", headers=hana)
    assert (refused.status_code, refused.json()["code"]) == (403, "customer_session_required")


async def test_a_limit_counts_every_kind_of_request_together(
    serve: Any, settings: Settings, api: httpx.AsyncClient, hana: dict[str, str]
) -> None:
    async with serve(msgspec.structs.replace(settings, account_rate_per_minute=6)) as strict:
        found = []
        for number in range(14):
            found.append(await strict.get("/api/invoices", headers=hana | (ORDINARY if number % 2 else {})))
    statuses = [each.status_code for each in found]
    assert statuses.count(200) in range(6, 13)  # the minute may have turned between two requests
    refused = found[statuses.index(429)]
    assert refused.json()["code"] == "rate_limited"
    assert refused.headers["ratelimit"].startswith('"account";r=0;t=')
    assert found[0].headers["ratelimit-policy"] == '"account";q=6;w=60'


async def test_processes_learn_of_each_others_counts_within_a_second(
    running: Any, serve: Any, settings: Settings, api: httpx.AsyncClient, hana: dict[str, str]
) -> None:
    for _ in range(5):
        await api.get("/api/invoices", headers=hana)
    await running[0].state.layers.counts.flush()
    async with serve(settings) as another:
        left = (await another.get("/api/invoices", headers=hana | ORDINARY)).headers["ratelimit"]
    assert f"r={settings.account_rate_per_minute - 6};" in left or "t=60" in left


async def test_an_answer_is_compressed_once(running: Any, api: httpx.AsyncClient, hana: dict[str, str]) -> None:
    plain = await api.get("/api/invoices", headers={**hana, "accept-encoding": "identity"})
    packed = [await api.get("/api/invoices", headers={**hana, "accept-encoding": "gzip, br"}) for _ in range(4)]
    assert packed[-1].headers["content-encoding"] == "gzip"
    assert packed[-1].headers["etag"] == f"W/{plain.headers['etag']}"
    assert int(packed[-1].headers["content-length"]) < len(plain.content) / 4
    assert {each.content for each in packed} == {plain.content}
    assert {each.headers["vary"] for each in [plain, *packed]} == {VARY}
    refused = await api.get("/api/invoices", headers={**hana, "accept-encoding": "gzip;q=0"})
    assert "content-encoding" not in refused.headers


async def test_answers_from_memory_are_logged_and_measured_like_others(
    running: Any, api: httpx.AsyncClient, hana: dict[str, str]
) -> None:
    await api.get("/api/invoices/77", headers=hana)
    running[0].state.layers.access_log.flush()
    with capture_logs() as lines:
        response = await api.get("/api/invoices/77", headers={**hana, "x-request-id": "trace-1"})
        metrics = (await api.get("/metrics")).text
    assert response.headers["x-request-id"] == "trace-1"
    line = next(each for each in lines if each.get("request_id") == "trace-1")
    assert (line["event"], line["route"], line["status"]) == ("http_request", "/api/invoices/{invoice_id}", 200)
    assert 'portal_http_requests_total{method="GET",route="/api/invoices/{invoice_id}",status="200"}' in metrics
    assert 'portal_answers_total{layer="memory"}' in metrics
    assert hana["authorization"][7:] not in repr(lines)


async def test_a_browser_of_an_allowed_origin_may_read_answers_from_memory(
    serve: Any, settings: Settings, hana: dict[str, str]
) -> None:
    async with serve(msgspec.structs.replace(settings, cors_origins="https://shop.example.jp")) as api:
        for origin in ("https://shop.example.jp", "https://evil.example"):
            headers = {**hana, "origin": origin}
            ordinary = await api.get("/api/invoices", headers=headers | ORDINARY)
            for _ in range(2):
                kept = await api.get("/api/invoices", headers=headers)
                for name in ("origin", "credentials"):
                    name = f"access-control-allow-{name}"
                    if origin != "https://evil.example":
                        assert kept.headers[name] == ordinary.headers[name]
                assert kept.headers.get("access-control-allow-origin") == ordinary.headers.get(
                    "access-control-allow-origin"
                )


async def test_what_is_pending_or_stale_is_never_kept(
    running: Any, api: httpx.AsyncClient, hana: dict[str, str], pool: asyncpg.Pool, redis: Redis
) -> None:
    account = await pool.fetchval("SELECT account_id FROM portal.id_mappings")
    await api.get("/api/orders", headers=hana)
    summary = b'{"order_id":"801P","pending":true}'
    await pool.execute(
        "INSERT INTO read_model.pending VALUES ($1, 'orders', '801P', 1, now(), $2, $2)", account, summary
    )
    await heard_everywhere()
    shown = [(await api.get("/api/orders", headers=hana)).json()["items"][0]["order_id"] for _ in range(2)]
    await pool.execute("DELETE FROM read_model.pending")
    await heard_everywhere()
    shown += [(await api.get("/api/orders", headers=hana)).json()["items"][0]["order_id"] for _ in range(2)]
    assert shown == ["801P", "801P", "801A", "801A"]
    await pool.execute("UPDATE generations.freshness_1 SET verified_at = now() - interval '1 day'")
    await forget_everywhere(pool, redis)
    assert (await api.get("/api/subscriptions", headers=hana)).json()["stale"] is True
    assert (await api.get("/api/subscriptions", headers=hana)).json()["stale"] is True


@pytest.mark.parametrize("redis_is_away", [False, True])
async def test_without_hearing_or_without_redis_answers_are_slower_and_right(
    serve: Any, settings: Settings, hana: dict[str, str], pool: asyncpg.Pool, feed: Any, redis_is_away: bool
) -> None:
    changes = {"redis_url": "redis://127.0.0.1:9/0"} if redis_is_away else {}
    async with serve(msgspec.structs.replace(settings, **changes)) as api:
        for number in range(1, 4):
            await feed([invoice(77, at=number, invoicenum=f"N{number}")])
            if not redis_is_away:
                await pool.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'portal-watch'"
                )
            await heard_everywhere()
            answers = [(await api.get("/api/invoices", headers=hana)).json() for _ in range(2)]
            assert [each["items"][0]["number"] for each in answers] == [f"N{number}"] * 2


async def test_odd_requests_are_the_ordinary_routes_affair(
    running: Any, api: httpx.AsyncClient, hana: dict[str, str]
) -> None:
    await api.get("/api/invoices", headers=hana)
    before = layers(running).hits
    found = {
        "unknown parameter": (await api.get("/api/invoices?nothing=1", headers=hana)).status_code,
        "many headers": (
            await api.get("/api/invoices", headers={**hana, **{f"x-{n}": "1" for n in range(80)}})
        ).status_code,
        "large headers": (await api.get("/api/invoices", headers={**hana, "x-large": "x" * 20_000})).status_code,
        "a foreign cookie": (await api.get("/api/invoices", headers={"cookie": "not_portal_session=x"})).status_code,
        "two cookies": (
            await api.get("/api/invoices", headers={"cookie": "portal_session=x; portal_session=y"})
        ).status_code,
        "nothing there": (await api.get(f"/api/invoices/{uuid4()}", headers=hana)).status_code,
        "another method": (await api.delete("/api/invoices", headers=hana)).status_code,
    }
    assert found == {
        "unknown parameter": 400,
        "many headers": 431,
        "large headers": 431,
        "a foreign cookie": 401,
        "two cookies": 401,
        "nothing there": 404,
        "another method": 405,
    }
    assert layers(running).hits == before


async def test_a_session_cookie_works_on_the_fast_path_too(
    running: Any, api: httpx.AsyncClient, hana: dict[str, str]
) -> None:
    token = hana["authorization"][7:]
    before = layers(running).hits
    for cookie in (f"portal_session={token}", f"theme=dark; portal_session={token}; x=y"):
        for _ in range(2):
            assert (await api.get("/api/invoices", headers={"cookie": cookie})).status_code == 200
    assert layers(running).hits >= before + 3


async def test_health_shows_the_size_of_the_cache(api: httpx.AsyncClient, hana: dict[str, str]) -> None:
    for _ in range(4):
        await api.get("/api/invoices", headers=hana)
    async with asyncio.timeout(60):
        while not (found := (await api.get("/api/health/services/cache")).json())["answers"]["leased"]:
            await asyncio.sleep(0.01)  # on a busy machine a lease may have lapsed for an instant
    assert found["answers"]["entries"] == 1
    assert found["answers"]["hits"] == 3
    assert found["answers"]["hit_rate"] == 0.75
    assert 5_000 < found["answers"]["bytes"] < found["answers"]["most_bytes"]
    assert found["sessions"] == 1


async def test_a_draining_server_ends_connections_of_the_fast_path_too(
    running: Any, api: httpx.AsyncClient, hana: dict[str, str]
) -> None:
    assert "connection" not in (await api.get("/api/invoices", headers=hana)).headers
    running[0].state.draining.begun = True
    assert (await api.get("/api/invoices", headers=hana)).headers["connection"] == "close"
