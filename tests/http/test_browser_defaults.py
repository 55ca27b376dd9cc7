"""Headers for browsers on every answer, and what an HTTP client can rely on whatever it asks."""

import re
from typing import Any

import httpx
import pytest

from app.http.answering import page_script
from tests.http.conftest import PASSWORD
from tests.http.routes.identity.test_sessions import me

PATHS = ("/api/health/live", "/api/nowhere", "/api/orders", "/schema", "/schema/openapi.json", "/api/public/services")


@pytest.mark.parametrize("path", PATHS)
async def test_the_content_security_policy_allows_styles_and_one_script(api: httpx.AsyncClient, path: str) -> None:
    told = (await api.get(path)).headers["content-security-policy"]
    policy = dict(directive.strip().split(" ", 1) for directive in told.split(";"))
    closed = ("default-src", "object-src", "base-uri", "form-action", "frame-ancestors")
    assert {name: policy[name] for name in closed} == dict.fromkeys(closed, "'none'")
    assert set(policy) - set(closed) == {"style-src", "script-src"}
    assert policy["script-src"] == page_script.permission()
    assert re.fullmatch(r"'sha256-[A-Za-z0-9+/]{43}='", policy["script-src"])


@pytest.mark.parametrize("path", PATHS)
async def test_every_body_says_what_it_is_and_in_which_encoding(api: httpx.AsyncClient, path: str) -> None:
    answer = await api.get(path)
    kind, _, rest = answer.headers["content-type"].partition(";")
    assert kind in ("application/json", "application/problem+json", "text/html", "application/vnd.oai.openapi+json")
    assert kind != "text/html" or re.search(r"charset=utf-8", rest, re.I)


@pytest.mark.parametrize("method", ["TRACE", "CONNECT", "TRACK", "DEBUG", "PROPFIND"])
async def test_methods_that_show_the_inside_are_not_there(api: httpx.AsyncClient, method: str) -> None:
    answer = await api.request(method, "/api/health/live", headers={"x-probe": "seen"})
    assert answer.status_code in (400, 405, 501)
    assert "seen" not in answer.text


@pytest.mark.parametrize("path", [*PATHS, "/api/orders/", "//example.com/x", "/schema/"])
async def test_nobody_is_sent_anywhere_else(api: httpx.AsyncClient, path: str) -> None:
    answer = await api.get(path, headers={"x-forwarded-proto": "http", "x-forwarded-host": "evil.example"})
    assert not 300 <= answer.status_code < 400
    assert "location" not in answer.headers


async def test_logging_in_again_ends_the_session_that_the_browser_had(
    api: httpx.AsyncClient, add_customer: Any
) -> None:
    await add_customer("hana")
    body = {"email": "hana@example.jp", "password": PASSWORD}
    first = (await api.post("/api/auth/login", json=body)).json()
    refused = await api.post("/api/auth/login", json={**body, "password": "wrong wrong wrong"})
    assert refused.status_code == 401
    assert await me(api, first) == 200, "a failed login ends nothing"
    second = (await api.post("/api/auth/login", json=body)).json()
    api.cookies.clear()
    assert (await me(api, first), await me(api, second)) == (401, 200)
    third = (await api.post("/api/auth/login", json=body)).json()
    api.cookies.clear()
    assert (await me(api, second), await me(api, third)) == (200, 200), "another browser's goes on"
