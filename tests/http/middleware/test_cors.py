"""CORS: the requests that browsers of other origins may send, and the answers they may read."""

from collections.abc import AsyncIterator

import asyncpg
import httpx
import msgspec
import pytest
from redis.asyncio import Redis

from app.settings import Settings
from tests.http.conftest import served
from tests.http.fast.test_connection import COLD, LIST, running
from tests.http.fast.test_path import hana
from tests.projections.conftest import feed

__all__ = ["feed", "hana", "running"]

READABLE = {"cache-control"}
"""Headers that scripts of another origin may read in any case."""


@pytest.fixture
async def shop(settings: Settings, pool: asyncpg.Pool, redis: Redis) -> AsyncIterator[httpx.AsyncClient]:
    """An API that one other origin may call."""
    async with served(msgspec.structs.replace(settings, cors_origins="https://shop.example.jp")) as (_, client):
        yield client


def documented(kind: str) -> set[str]:
    """Names of every header that the document says a caller may send, or gets."""
    from app.cli.document import openapi_document
    from app.http.openapi.parts import resolved

    document = msgspec.json.decode(openapi_document())
    found: set[str] = set()
    for methods in document["paths"].values():
        for operation in methods.values():
            if kind == "sent":
                given = [resolved(document, each) for each in operation.get("parameters", [])]
                found |= {each["name"].lower() for each in given if each["in"] == "header"}
            else:
                answers = [resolved(document, each) for each in operation["responses"].values()]
                found |= {name.lower() for each in answers for name in each.get("headers", ())}
    return found


async def test_a_browser_may_send_every_header_that_the_document_names(shop: httpx.AsyncClient) -> None:
    own = {"authorization", "content-type", "x-csrf-token"}
    wanted = documented("sent") | own
    assert {"if-match", "idempotency-key", "consistency-token"} <= wanted
    for method in ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"):
        asked = {
            "Origin": "https://shop.example.jp",
            "Access-Control-Request-Method": method,
            "Access-Control-Request-Headers": ", ".join(sorted(wanted)),
        }
        found = await shop.options("/api/account/address", headers=asked)
        assert (found.status_code, found.headers["access-control-allow-origin"]) == (204, "https://shop.example.jp")
        assert found.headers["access-control-allow-credentials"] == "true"
        allowed = {each.strip().lower() for each in found.headers["access-control-allow-headers"].split(",")}
        assert wanted - allowed == set()
        assert method in found.headers["access-control-allow-methods"].split(", ")
        assert found.headers["vary"] == "Origin"


async def test_a_browser_of_a_foreign_origin_gets_no_cors_headers(shop: httpx.AsyncClient) -> None:
    for origin in ("https://evil.example", "https://shop.example.jp.evil.example", "null", "http://shop.example.jp"):
        asked = {"Origin": origin, "Access-Control-Request-Method": "PUT"}
        for found in (
            await shop.options("/api/account/address", headers=asked),
            await shop.get("/api/health/live", headers={"Origin": origin}),
        ):
            assert [name for name in found.headers if name.startswith("access-control")] == []
            assert found.headers["vary"] == "Origin"


async def test_everybody_hears_that_answers_differ_by_origin_and_scripts_read_every_header(
    shop: httpx.AsyncClient, hana: dict[str, str]
) -> None:
    paths = (LIST, LIST, "/api/public/services", COLD, "/nowhere", "/api/health/live", "/api/invoices?nothing=1")
    for path in paths:
        for headers in ({}, {"Origin": "https://shop.example.jp"}, {"Origin": "https://evil.example"}):
            for more in ({}, {"Prefer": "wait=0"}):
                found = await shop.get(path, headers=hana | headers | more)
                names = {each.strip() for each in found.headers["vary"].split(",")}
                worded = {"Accept-Language"} if "content-language" in found.headers else set()
                stored = {"Accept-Encoding", "Portal-Version"} if "etag" in found.headers else set()
                assert names == {"Origin"} | worded | stored, path
                assert found.headers.get_list("vary") == [found.headers["vary"]]
                if headers.get("Origin") == "https://shop.example.jp":
                    exposed = {each.lower() for each in found.headers["access-control-expose-headers"].split(", ")}
                    assert documented("got") - READABLE <= exposed


async def test_where_every_origin_is_allowed_none_gets_what_cookies_open(
    settings: Settings, pool: asyncpg.Pool, redis: Redis
) -> None:
    async with served(msgspec.structs.replace(settings, cors_origins="*")) as (_, client):
        headers = {"Origin": "https://evil.example", "Cookie": "portal_session=x"}
        found = await client.get("/api/health/live", headers=headers)
    assert found.headers["access-control-allow-origin"] == "*"
    assert "access-control-allow-credentials" not in found.headers
