"""Authentication: no route is open without a session, except those declared so."""

import asyncio
from typing import Any

import asyncpg
import httpx
import msgspec
import pytest
from litestar import Litestar

from app.http.answering.session_cookie import COOKIE
from app.readmodels.catalog import CATEGORIES, Category, public_document
from app.readmodels.table import GLOBAL_ACCOUNT
from app.settings import Settings


def bearer(session: dict[str, str]) -> dict[str, str]:
    return {"authorization": f"Bearer {session['token']}"}


async def test_a_token_authenticates_as_bearer_and_as_cookie(
    api: httpx.AsyncClient, add_customer: Any, log_in: Any
) -> None:
    account_id = await add_customer("hana")
    session = await log_in(api, "hana")
    for headers in (bearer(session), {"cookie": f"{COOKIE}={session['token']}"}):
        response = await api.get("/api/auth/me", headers=headers)
        assert response.json()["account_id"] == str(account_id)
        assert response.json()["user"]["email"] == "hana@example.jp"
        assert response.headers["cache-control"] == "private, no-store"


async def test_a_made_up_token_does_not(api: httpx.AsyncClient) -> None:
    response = await api.get("/api/auth/me", headers={"authorization": "Bearer " + "A" * 43})
    assert response.status_code == 401
    assert response.headers["www-authenticate"] == "Bearer"


@pytest.mark.parametrize(
    "ended",
    [
        "last_seen_at = now() - interval '31 minutes'",
        "expires_at = now() - interval '1 second'",
        "revoked_at = now()",
    ],
)
async def test_a_session_that_is_idle_expired_or_revoked_is_over(
    api: httpx.AsyncClient, pool: asyncpg.Pool, add_customer: Any, log_in: Any, ended: str
) -> None:
    await add_customer("hana")
    session = await log_in(api, "hana")
    await pool.execute(f"UPDATE portal.sessions SET {ended}")
    assert (await api.get("/api/auth/me", headers=bearer(session))).status_code == 401


async def test_use_keeps_a_session_from_growing_idle(
    api: httpx.AsyncClient, pool: asyncpg.Pool, add_customer: Any, log_in: Any
) -> None:
    await add_customer("hana")
    session = await log_in(api, "hana")
    await pool.execute("UPDATE portal.sessions SET last_seen_at = now() - interval '20 minutes'")
    await api.get("/api/auth/me", headers=bearer(session))
    async with asyncio.timeout(20):  # written down behind the answer
        while not await pool.fetchval("SELECT now() - last_seen_at < interval '1 minute' FROM portal.sessions"):
            await asyncio.sleep(0.02)


async def test_logging_out_ends_the_session_at_once(api: httpx.AsyncClient, add_customer: Any, log_in: Any) -> None:
    await add_customer("hana")
    session = await log_in(api, "hana")
    response = await api.post("/api/auth/logout", headers=bearer(session))
    assert response.status_code == 204
    assert (await api.get("/api/auth/me", headers=bearer(session))).status_code == 401


async def test_a_cookie_alone_changes_nothing(api: httpx.AsyncClient, add_customer: Any, log_in: Any) -> None:
    await add_customer("hana")
    await add_customer("kenji")
    session, other = await log_in(api, "hana"), await log_in(api, "kenji")
    cookie = {"cookie": f"{COOKIE}={session['token']}"}
    for wrong in ({}, {"x-csrf-token": "guess"}, {"x-csrf-token": "ü".encode()}, {"x-csrf-token": other["csrf_token"]}):
        response = await api.post("/api/auth/logout", headers={**cookie, **wrong})
        assert (response.status_code, response.json()["code"]) == (403, "csrf_token_invalid")
    assert (await api.get("/api/auth/me", headers=cookie)).status_code == 200
    right = {"x-csrf-token": session["csrf_token"]}
    assert (await api.post("/api/auth/logout", headers={**cookie, **right})).status_code == 204


async def test_public_bytes_are_the_same_for_everyone(
    api: httpx.AsyncClient, pool: asyncpg.Pool, add_customer: Any, log_in: Any
) -> None:
    await add_customer("hana")
    session = await log_in(api, "hana")
    await pool.execute("INSERT INTO read_model.feeds VALUES ('/data/Portal__chn', now())")
    for name in CATEGORIES:
        empty = Category(
            category=name, name=name, plans=[], installations=[], activation_fees=[], add_ons=[], regions=[]
        )
        await pool.execute(
            "INSERT INTO read_model.documents VALUES ($1, $2, 1, '\"tag\"', $3, now(), 'catalog', 1)",
            GLOBAL_ACCOUNT,
            public_document(name),
            msgspec.json.encode(empty),
        )
    seen = await pool.fetchval("SELECT last_seen_at FROM portal.sessions")
    plain = await api.get("/api/public/services")
    for headers in (bearer(session), {"cookie": f"{COOKIE}={session['token']}"}, {"authorization": "Bearer wrong"}):
        response = await api.get("/api/public/services", headers=headers)
        assert (response.status_code, response.content) == (200, plain.content)
        assert "set-cookie" not in response.headers
        assert "cookie" not in response.headers.get("vary", "").lower()
        assert response.headers["cache-control"].startswith("public, max-age=")
        assert response.headers["etag"] == plain.headers["etag"]
    assert await pool.fetchval("SELECT last_seen_at FROM portal.sessions") == seen


async def test_the_cookie_is_secure_unless_the_portal_is_reached_over_loopback(
    serve: Any, settings: Settings, add_customer: Any
) -> None:
    await add_customer("hana")
    for public_url, secure in (("https://portal.example.jp", True), ("http://localhost:8000", False)):
        async with serve(msgspec.structs.replace(settings, public_url=public_url)) as api:
            response = await api.post(
                "/api/auth/login", json={"email": "hana@example.jp", "password": "paper crane lantern 24"}
            )
        cookie = response.headers["set-cookie"]
        assert ("Secure" in cookie) is secure
        assert "HttpOnly" in cookie
        assert "samesite=lax" in cookie.lower()


async def test_tokens_are_stored_as_hashes_only(
    api: httpx.AsyncClient, pool: asyncpg.Pool, add_customer: Any, log_in: Any, running: tuple[Litestar, Any]
) -> None:
    await add_customer("hana")
    session = await log_in(api, "hana")
    row = await pool.fetchval("SELECT to_jsonb(s)::text FROM portal.sessions s")
    assert session["token"] not in row
    assert session["token"].encode().hex() not in row
