"""WHMCS's webhooks: believed only when signed and fresh; recorded before they are acknowledged."""

import base64
import hashlib
import hmac
import time
from typing import Any

import asyncpg
import httpx
import msgspec
import pytest

SECRET = "x" * 32
BODY = msgspec.json.encode(
    {
        "event": "InvoicePaid",
        "object": "invoice",
        "id": "12",
        "client_id": "1001",
        "occurred_at": "2026-11-20T00:00:00Z",
    }
)


def signed(body: bytes, *, secret: str = SECRET, webhook_id: str = "msg_1", age_seconds: int = 0) -> dict[str, str]:
    stamp = str(int(time.time()) - age_seconds)
    mac = hmac.digest(secret.encode(), f"{webhook_id}.{stamp}.".encode() + body, hashlib.sha256)
    return {
        "webhook-id": webhook_id,
        "webhook-timestamp": stamp,
        "webhook-signature": "v1," + base64.b64encode(mac).decode(),
        "content-type": "application/json",
    }


async def inbox(pool: asyncpg.Pool) -> list[Any]:
    return list(await pool.fetch("SELECT object, record_id, kind, owner_id FROM ingest.inbox"))


async def send(api: httpx.AsyncClient, body: bytes, headers: dict[str, str]) -> httpx.Response:
    return await api.post("/webhooks/whmcs", content=body, headers=headers)


async def test_a_signed_webhook_is_in_the_inbox_when_it_is_acknowledged(
    api: httpx.AsyncClient, pool: asyncpg.Pool
) -> None:
    assert (await send(api, BODY, signed(BODY))).status_code == 202
    assert [tuple(row) for row in await inbox(pool)] == [("invoice", "12", "hint", "1001")]


async def test_a_repeated_webhook_is_acknowledged_and_recorded_once(api: httpx.AsyncClient, pool: asyncpg.Pool) -> None:
    for _ in range(3):
        assert (await send(api, BODY, signed(BODY))).status_code == 202
    assert len(await inbox(pool)) == 1


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({}, "webhook_forged"),
        (signed(BODY, secret="another secret"), "webhook_forged"),
        (signed(BODY + b" "), "webhook_forged"),
        (signed(BODY, age_seconds=301), "webhook_expired"),
        (signed(BODY, age_seconds=-900), "webhook_expired"),
    ],
)
async def test_a_forged_or_expired_webhook_changes_nothing(
    api: httpx.AsyncClient, pool: asyncpg.Pool, headers: dict[str, str], code: str
) -> None:
    response = await send(api, BODY, headers)
    assert (response.status_code, response.json()["code"]) == (401, code)
    assert await inbox(pool) == []


async def test_an_oversized_webhook_changes_nothing(api: httpx.AsyncClient, pool: asyncpg.Pool) -> None:
    body = BODY + b" " * 262_144
    response = await send(api, body, signed(body))
    assert (response.status_code, response.json()["code"]) == (413, "body_too_large")
    assert await inbox(pool) == []


@pytest.mark.parametrize("body", [b"not json", b"[]", b'{"event": "InvoicePaid"}'])
async def test_a_signed_webhook_that_makes_no_sense_changes_nothing(
    api: httpx.AsyncClient, pool: asyncpg.Pool, body: bytes
) -> None:
    response = await send(api, body, signed(body))
    assert (response.status_code, response.json()["code"]) == (422, "webhook_malformed")
    assert await inbox(pool) == []
