"""Refusals before a request is looked at."""

import asyncio
from typing import Any

import httpx
import msgspec
import pytest

from app.http.middleware.request_limits import LARGEST_HEADERS, LONGEST_QUERY, MOST_HEADERS
from app.settings import Settings, SettingsError


def assert_problem(response: httpx.Response, status: int, code: str) -> None:
    assert (response.status_code, response.json()["code"]) == (status, code)
    assert response.headers["content-type"] == "application/problem+json"
    assert response.json()["request_id"] == response.headers["x-request-id"]


async def test_an_endless_query_is_refused(api: httpx.AsyncClient) -> None:
    assert_problem(await api.get("/api/public/services?q=" + "x" * LONGEST_QUERY), 414, "query_too_long")
    assert (await api.get("/api/public/services?q=" + "x" * (LONGEST_QUERY - 10))).status_code == 400


async def test_endless_headers_are_refused(api: httpx.AsyncClient) -> None:
    large = {"x-large": "x" * LARGEST_HEADERS}
    many = {f"x-{n}": "x" for n in range(MOST_HEADERS)}
    for headers in (large, many):
        assert_problem(await api.get("/api/auth/me", headers=headers), 431, "headers_too_large")


async def test_more_requests_at_once_than_help_are_sent_away_and_probes_are_not(serve: Any, settings: Settings) -> None:
    generous = {"requests_at_once": 2, "auth_rate_per_minute": 1000}
    async with serve(msgspec.structs.replace(settings, **generous)) as api:
        body = {"email": "hana@example.jp", "password": "wrong wrong wrong"}
        answers = await asyncio.gather(*(api.post("/api/auth/login", json=body) for _ in range(10)))
        busy = [each for each in answers if each.status_code == 503]
        assert len(busy) == 8
        assert_problem(busy[0], 503, "server_busy")
        assert busy[0].headers["retry-after"] == "2"
        assert (await api.post("/api/auth/login", json=body)).status_code == 401
        assert (await api.get("/api/health/live")).status_code == 200


@pytest.mark.parametrize(
    ("networks", "status"), [("", 401), ("203.0.113.0/24", 401), ("10.0.0.0/8, 2001:db8::/32", 403)]
)
async def test_operators_routes_can_be_kept_to_some_networks(
    serve: Any, settings: Settings, networks: str, status: int
) -> None:
    async with serve(msgspec.structs.replace(settings, admin_networks=networks)) as api:
        assert (await api.get("/api/admin/dead-letters")).status_code == status
        assert (await api.get("/api/auth/me")).status_code == 401


async def test_webhooks_can_be_kept_to_some_networks(serve: Any, settings: Settings) -> None:
    async with serve(msgspec.structs.replace(settings, webhook_networks="10.0.0.0/8")) as api:
        assert_problem(await api.post("/webhooks/whmcs", content=b"{}"), 403, "network_not_allowed")


async def test_networks_that_cannot_be_read_are_named_at_the_start(serve: Any, settings: Settings) -> None:
    with pytest.raises(SettingsError, match=r"ADMIN_NETWORKS cannot be used"):
        async with serve(msgspec.structs.replace(settings, admin_networks="everywhere")):
            pass


async def test_payment_links_have_an_allowance_of_their_own(
    serve: Any, settings: Settings, add_customer: Any, log_in: Any
) -> None:
    await add_customer("hana")
    async with serve(msgspec.structs.replace(settings, payment_rate_per_minute=2)) as api:
        headers = {"authorization": f"Bearer {(await log_in(api, 'hana'))['token']}"}
        asked = [await api.post("/api/invoices/1/payment-link", headers=headers) for _ in range(6)]
        assert 429 in [each.status_code for each in asked]
        assert asked[0].headers["ratelimit-policy"].startswith('"payment";q=2')
        assert (await api.get("/api/auth/me", headers=headers)).status_code == 200
