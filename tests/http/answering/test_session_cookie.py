"""The cookie of a session, and how a browser is made to drop it."""

import asyncpg
import httpx
import msgspec
import pytest
from redis.asyncio import Redis

from app.settings import Settings
from tests.http.conftest import PASSWORD, served
from tests.http.fast.test_connection import COLD, LIST, running
from tests.http.fast.test_path import hana
from tests.projections.conftest import feed

__all__ = ["feed", "hana", "running"]

LOGIN = msgspec.json.encode({"email": "hana@example.jp", "password": PASSWORD})


async def test_where_the_portal_is_reached_by_https_the_cookie_is_of_this_host_alone(
    settings: Settings, pool: asyncpg.Pool, redis: Redis, hana: dict[str, str]
) -> None:
    token = hana["authorization"][7:]
    async with served(msgspec.structs.replace(settings, public_url="https://portal.example.jp")) as (_, client):
        cookie = (
            await client.post("/api/auth/login", content=LOGIN, headers={"Content-Type": "application/json"})
        ).headers["set-cookie"]
        client.cookies.clear()
        assert cookie.startswith("__Host-portal_session=")
        parts = {part.strip().partition("=")[0].lower() for part in cookie.split(";")}
        assert {"secure", "path", "httponly"} <= parts
        assert "domain" not in parts
        assert "; path=/;" in cookie.lower() + ";"
        for path in (LIST, LIST, COLD):
            named = await client.get(path, headers={"Cookie": f"__Host-portal_session={token}"})
            planted = await client.get(path, headers={"Cookie": f"portal_session={token}"})
            assert (named.status_code, planted.status_code) == (200, 401), path
        document = (await client.get("/schema/openapi.json")).json()
    assert document["components"]["securitySchemes"]["cookie"]["name"] == "__Host-portal_session"


@pytest.mark.parametrize("way", ["logout", "everywhere", "this one"])
async def test_logging_out_clears_the_browser(api: httpx.AsyncClient, hana: dict[str, str], way: str) -> None:
    if way == "logout":
        done = await api.post("/api/auth/logout", headers=hana)
    elif way == "everywhere":
        done = await api.delete("/api/auth/sessions", headers=hana)
    else:
        sessions = (await api.get("/api/auth/sessions", headers=hana)).json()["items"]
        own = next(each["session_id"] for each in sessions if each["current"])
        done = await api.delete(f"/api/auth/sessions/{own}", headers=hana)
    assert done.status_code == 204
    assert done.headers["clear-site-data"] == '"cache", "cookies", "storage"'
    assert "Max-Age=0" in done.headers["set-cookie"]
    assert done.headers["cache-control"] == "no-store"
