"""Ordering and paying over HTTP while every upstream is away: clear problems, nothing half done."""

from typing import Any
from uuid import uuid4

import asyncpg
import httpx
import pytest

BASKET = {"items": [{"sku": "VPN-GLOBAL"}], "configuration": {"vpn_region": "Global"}}


@pytest.fixture
async def session(api: httpx.AsyncClient, add_customer: Any, log_in: Any) -> dict[str, str]:
    """Headers of a logged-in customer, with a fresh idempotency key."""
    await add_customer("hana")
    token = (await log_in(api, "hana"))["token"]
    return {"Authorization": f"Bearer {token}", "Idempotency-Key": uuid4().hex}


@pytest.mark.parametrize("path", ["/api/orders", "/api/orders/check"])
async def test_billing_being_away_is_said_with_a_way_forward(
    api: httpx.AsyncClient, session: dict[str, str], pool: asyncpg.Pool, path: str
) -> None:
    response = await api.post(path, json=BASKET, headers=session)

    assert (response.status_code, response.json()["code"]) == (503, "billing_unavailable")
    assert int(response.headers["retry-after"]) > 0
    assert await pool.fetchval("SELECT count(*) FROM ingest.inbox") == 0


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"items": [{"sku": "VPN-GLOBAL", "discount": 1}]}, "unknown_field"),
        ({"items": []}, "invalid_request"),
        ({"items": [{"sku": "VPN-GLOBAL", "quantity": 2}]}, "invalid_request"),
        ({}, "invalid_request"),
    ],
)
async def test_a_malformed_basket_names_its_field(
    api: httpx.AsyncClient, session: dict[str, str], body: dict[str, Any], code: str
) -> None:
    response = await api.post("/api/orders", json=body, headers=session)

    assert (response.status_code, response.json()["code"]) == (400, code)
    assert response.json()["errors"]


@pytest.mark.parametrize("path", ["/api/orders", "/api/orders/check", "/api/invoices/1/payment-link"])
async def test_without_a_session_nothing_happens(api: httpx.AsyncClient, path: str) -> None:
    response = await api.post(path, json=BASKET, headers={"Idempotency-Key": "k"})

    assert response.status_code == 401


async def test_an_unknown_invoice_has_no_link(api: httpx.AsyncClient, session: dict[str, str]) -> None:
    response = await api.post("/api/invoices/12/payment-link", headers=session)

    assert (response.status_code, response.json()["code"]) == (404, "invoice_not_found")
    assert "no-store" in response.headers["cache-control"]


async def test_payment_methods_cannot_be_managed_while_billing_is_away(
    api: httpx.AsyncClient, session: dict[str, str]
) -> None:
    response = await api.post("/api/payment-methods/link", headers=session)

    assert (response.status_code, response.json()["code"]) == (503, "billing_unavailable")
