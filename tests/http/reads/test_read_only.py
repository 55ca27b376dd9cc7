"""Postgres takes no writes, as during a failover: reads continue, all else gets a retry-after, and everything
recovers."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
import msgspec

from app.settings import Settings
from tests.http.routes.test_webhooks import BODY, SECRET, signed

READS = ("/api/auth/me", "/api/orders", "/api/public/services", "/api/account/notifications")


@asynccontextmanager
async def read_only(pool: asyncpg.Pool) -> AsyncIterator[None]:
    """Make the whole engine read-only; changing its configuration is no write."""
    await pool.execute("ALTER SYSTEM SET default_transaction_read_only = on")
    await pool.execute("SELECT pg_reload_conf()")
    try:
        async with asyncio.timeout(20):
            while await pool.fetchval("SELECT current_setting('transaction_read_only')") != "on":
                await asyncio.sleep(0.02)
        yield
    finally:
        await pool.execute("ALTER SYSTEM RESET default_transaction_read_only")
        await pool.execute("SELECT pg_reload_conf()")
        async with asyncio.timeout(20):
            while await pool.fetchval("SELECT current_setting('transaction_read_only')") != "off":
                await asyncio.sleep(0.02)


async def test_reads_continue_and_writes_get_a_retry_after(
    serve: Any, settings: Settings, pool: asyncpg.Pool, add_customer: Any, log_in: Any
) -> None:
    await add_customer("hana")
    wired = msgspec.structs.replace(settings, whmcs_webhook_secrets=SECRET, auth_rate_per_minute=1000)
    async with serve(wired) as api:
        headers = {"authorization": f"Bearer {(await log_in(api, 'hana'))['token']}"}
        before = {path: (await api.get(path, headers=headers)).status_code for path in READS}
        await pool.execute("UPDATE portal.sessions SET last_seen_at = now() - interval '20 minutes'")
        login = {"email": "hana@example.jp", "password": "paper crane lantern 24"}
        async with read_only(pool):
            for more in ({}, {"Prefer": "wait=0"}):
                for path, status in before.items():
                    assert (await api.get(path, headers=headers | more)).status_code == status, path
            refused = [
                await api.post("/api/auth/login", json=login),
                await api.post("/webhooks/whmcs", content=BODY, headers=signed(BODY)),
                await api.patch("/api/account/profile", headers=headers | {"idempotency-key": "k"}, json={}),
            ]
            for response in refused:
                assert (response.status_code, response.json()["code"]) == (503, "temporarily_unavailable")
                assert response.headers["retry-after"]
            ready = await api.get("/api/health/ready")
            assert (ready.status_code, ready.json()["postgres"], ready.json()["status"]) == (
                200,
                "read_only",
                "degraded",
            )
            assert "postgres_read_only" in ready.json()["reasons"]
        assert (await api.post("/webhooks/whmcs", content=BODY, headers=signed(BODY))).status_code == 202
        assert (await api.post("/api/auth/login", json=login)).status_code == 200
        assert (await api.get("/api/auth/me", headers=headers)).status_code == 200
        async with asyncio.timeout(30):
            while not await pool.fetchval(
                "SELECT bool_and(last_seen_at > now() - interval '2 minutes') FROM portal.sessions"
            ):
                await asyncio.sleep(0.1)
