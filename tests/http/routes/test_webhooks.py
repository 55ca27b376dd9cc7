"""WHMCS's webhooks: believed only when signed and fresh; recorded before they are acknowledged."""

import base64
import hashlib
import hmac
import time
from collections.abc import Callable
from typing import Any

import asyncpg
import httpx
import msgspec
import pytest

from app.ingest.sources import admission
from app.ingest.sources.webhooks import LATER_SECONDS
from app.settings import Settings

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
    ("sign", "code"),
    [
        (lambda: {}, "webhook_forged"),
        (lambda: signed(BODY, secret="another secret"), "webhook_forged"),
        (lambda: signed(BODY + b" "), "webhook_forged"),
        (lambda: signed(BODY, age_seconds=301), "webhook_expired"),
        (lambda: signed(BODY, age_seconds=-310), "webhook_expired"),
    ],
)
async def test_a_forged_or_expired_webhook_changes_nothing(
    api: httpx.AsyncClient, pool: asyncpg.Pool, sign: Callable[[], dict[str, str]], code: str
) -> None:
    response = await send(api, BODY, sign())
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


async def test_a_used_id_with_another_body_is_refused(api: httpx.AsyncClient, pool: asyncpg.Pool) -> None:
    assert (await send(api, BODY, signed(BODY))).status_code == 202
    other = BODY.replace(b'"12"', b'"13"')
    response = await send(api, other, signed(other))
    assert (response.status_code, response.json()["code"]) == (409, "webhook_replayed")
    assert [row["record_id"] for row in await inbox(pool)] == ["12"]


async def test_a_repetition_with_a_new_signature_is_the_same_webhook(
    api: httpx.AsyncClient, pool: asyncpg.Pool
) -> None:
    """A sender that lost our 202 signs again with a later timestamp."""
    assert (await send(api, BODY, signed(BODY, age_seconds=200))).status_code == 202
    assert (await send(api, BODY, signed(BODY))).status_code == 202
    assert len(await inbox(pool)) == 1


async def test_both_secrets_are_good_while_they_are_rotated(serve: Any, settings: Settings, pool: asyncpg.Pool) -> None:
    rotating = msgspec.structs.replace(settings, whmcs_webhook_secrets=f"{'n' * 32}, {SECRET}")
    async with serve(rotating) as api:
        for number, secret in enumerate(("n" * 32, SECRET)):
            headers = signed(BODY, secret=secret, webhook_id=f"msg_{number}")
            assert (await send(api, BODY, headers)).status_code == 202
    assert len(await inbox(pool)) == 2


async def test_a_hook_that_runs_before_the_change_is_stored_is_looked_into_again_later(
    api: httpx.AsyncClient, pool: asyncpg.Pool
) -> None:
    """Lesson: a webhook arrives before the change is stored, and what is read at once is the old state."""
    body = BODY.replace(b"InvoicePaid", b"PreInvoiceAutomaticCancellation")
    for _ in range(2):
        assert (await send(api, body, signed(body))).status_code == 202
    waits = await pool.fetch(
        "SELECT record_id, extract(epoch FROM next_attempt_at - received_at)::int AS seconds FROM ingest.inbox "
        "ORDER BY id"
    )
    assert [tuple(row) for row in waits] == [("12", 0), ("12", LATER_SECONDS)]


async def test_while_too_much_waits_to_be_read_again_webhooks_get_a_retry_after(
    serve: Any, settings: Settings, pool: asyncpg.Pool
) -> None:
    async with serve(msgspec.structs.replace(settings, inbox_high_water=2)) as api:
        for number in range(3):
            headers = signed(BODY, webhook_id=f"msg_{number}")
            assert (await send(api, BODY, headers)).status_code == 202
    async with serve(msgspec.structs.replace(settings, inbox_high_water=2)) as api:
        refused = await send(api, BODY, signed(BODY, webhook_id="msg_9"))
        assert (refused.status_code, refused.json()["code"]) == (503, "inbox_full")
        assert int(refused.headers["Retry-After"]) > 0
    await pool.execute("UPDATE ingest.inbox SET settled_at = now(), outcome = 'refetched'")
    async with serve(msgspec.structs.replace(settings, inbox_high_water=2)) as api:
        assert (await send(api, BODY, signed(BODY, webhook_id="msg_9"))).status_code == 202


async def test_an_insert_that_takes_too_long_is_not_waited_for(
    api: httpx.AsyncClient, pool: asyncpg.Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(admission, "INSERT_SECONDS", 0.2)
    async with pool.acquire() as connection, connection.transaction():
        await connection.execute("LOCK TABLE ingest.inbox IN EXCLUSIVE MODE")
        refused = await send(api, BODY, signed(BODY))
        assert (refused.status_code, refused.json()["code"]) == (503, "inbox_full")
    assert (await send(api, BODY, signed(BODY))).status_code == 202
    assert len(await inbox(pool)) == 1


SALESFORCE = msgspec.json.encode(
    {"event": "updated", "object": "Order", "id": "801000000000001AAA", "occurred_at": "2026-11-20T00:00:00Z"}
)


async def test_an_org_that_pushes_is_believed_by_its_own_secret(
    serve: Any, settings: Settings, pool: asyncpg.Pool
) -> None:
    async with serve(msgspec.structs.replace(settings, salesforce_webhook_secrets="f" * 32)) as api:
        for secret, status in ((SECRET, 401), ("f" * 32, 202)):
            headers = signed(SALESFORCE, secret=secret)
            response = await api.post("/webhooks/salesforce", content=SALESFORCE, headers=headers)
            assert response.status_code == status
    assert [tuple(row) for row in await inbox(pool)] == [("Order", "801000000000001AAA", "hint", None)]


async def test_without_a_secret_there_is_no_route_for_a_pushing_org(api: httpx.AsyncClient) -> None:
    response = await api.post("/webhooks/salesforce", content=SALESFORCE, headers=signed(SALESFORCE, secret=""))
    assert (response.status_code, response.json()["code"]) == (404, "not_found")


def stamped(stamp: str, webhook_id: str = "msg_1", body: bytes = BODY) -> dict[str, str]:
    mac = hmac.digest(SECRET.encode(), f"{webhook_id}.{stamp}.".encode() + body, hashlib.sha256)
    signature = "v1," + base64.b64encode(mac).decode()
    return {**signed(body), "webhook-id": webhook_id, "webhook-timestamp": stamp, "webhook-signature": signature}


@pytest.mark.parametrize(
    "stamp",
    ["9" * 400, "9" * 5_000, "9" * 13, "253402300800", "-1", "0", "+1", "1e9", "1_0", "", "nan", "inf", "0x10"],
)
async def test_a_signed_webhook_of_an_absurd_time_is_expired(
    api: httpx.AsyncClient, pool: asyncpg.Pool, stamp: str
) -> None:
    response = await send(api, BODY, stamped(stamp))
    assert (response.status_code, response.json()["code"]) in ((401, "webhook_expired"), (401, "webhook_forged"))
    assert await inbox(pool) == []


@pytest.mark.parametrize("webhook_id", ["m" * 201, "m" * 5_000, ""])
async def test_the_id_of_a_webhook_is_bounded(api: httpx.AsyncClient, pool: asyncpg.Pool, webhook_id: str) -> None:
    response = await send(api, BODY, signed(BODY, webhook_id=webhook_id))
    assert (response.status_code, response.json()["code"]) == (401, "webhook_forged")
    assert await inbox(pool) == []


ABSURD = {
    "before the calendar": {"occurred_at": "0000-01-01T00:00:00Z"},
    "at its beginning": {"occurred_at": "0001-01-01T00:00:00+14:00"},
    "at its end": {"occurred_at": "9999-12-31T23:59:59-14:00"},
    "no day": {"occurred_at": "2026-02-30T00:00:00Z"},
    "no zone": {"occurred_at": "2026-11-20T00:00:00"},
    "5,000 digits": {"id": "7" * 5_000},
    "4,000 digits": {"id": "7" * 4_000},
    "21 digits": {"id": "7" * 21},
    "a long owner": {"client_id": "7" * 300},
    "a long heir": {"object": "client", "merged_into": "7" * 300},
    "a long name": {"event": "e" * 101},
    "negative": {"id": "-7"},
    "no ASCII": {"id": "７７"},
}


@pytest.mark.parametrize("changes", ABSURD.values(), ids=ABSURD)
async def test_signed_nonsense_is_422(api: httpx.AsyncClient, pool: asyncpg.Pool, changes: dict[str, str]) -> None:
    body = msgspec.json.encode({**msgspec.json.decode(BODY), **changes})
    response = await send(api, body, signed(body))
    assert (response.status_code, response.json()["code"]) == (422, "webhook_malformed")
    assert await inbox(pool) == []


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (b'"id":"12"', b'"id":"12","id":"13"'),
        (b'"id":"12"', b'"id":"12","\\u0069d":"12"'),
        (b'"id":"12"', b'"id":"12","more":[{"a":{"b":1,"b":1}}]'),
    ],
)
async def test_a_webhook_says_one_thing(
    serve: Any, settings: Settings, api: httpx.AsyncClient, pool: asyncpg.Pool, before: bytes, after: bytes
) -> None:
    body = BODY.replace(before, after)
    assert body != BODY
    response = await send(api, body, signed(body))
    assert (response.status_code, response.json()["code"]) == (422, "webhook_malformed")
    pushed = SALESFORCE.replace(b'"event"', b'"event":"created","event"')
    async with serve(msgspec.structs.replace(settings, salesforce_webhook_secrets=SECRET)) as pushing:
        response = await pushing.post("/webhooks/salesforce", content=pushed, headers=signed(pushed))
    assert (response.status_code, response.json()["code"]) == (422, "webhook_malformed")
    assert await inbox(pool) == []
