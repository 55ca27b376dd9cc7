"""HEAD, OPTIONS, and methods that a path or everybody lacks."""

import asyncio
from typing import Any

import httpx
import msgspec
import pytest

from app.http.app import ROUTES
from app.settings import Settings
from tests.http.fast.test_connection import HEALTH, LIST, Wire, assert_refused, connect, get, running, wire
from tests.http.fast.test_path import CHANGING, hana
from tests.projections.conftest import feed

__all__ = ["feed", "hana", "running", "wire"]


async def bodiless(wire: Wire) -> tuple[int, dict[str, str]]:
    """Status and headers of an answer to HEAD."""
    async with asyncio.timeout(60):
        head = (await wire.reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
    pairs = [line.split(": ", 1) for line in head[1:-2]]
    assert len({name for name, _ in pairs}) == len(pairs), "no header comes twice"
    return int(head[0].split()[1]), dict(pairs)  # type: ignore[arg-type]


async def test_every_get_route_answers_head_with_the_same_headers_and_nothing_else(
    running: Any, api: httpx.AsyncClient, hana: dict[str, str], wire: Wire, settings: Settings
) -> None:
    paths = {path for route in ROUTES if "GET" in route.http_methods for path in route.paths} | {"/schema/openapi.json"}
    assert len(paths) > 40
    for path in sorted(paths):
        concrete = (
            path.replace("{invoice_id:str}", "77").replace("{order_id:str}", "801A").replace("{", "").split(":")[0]
        )
        moving = path in ("/metrics", "/api/health/services/cache", "/api/health/ready", "/api/events")
        wire.send(get(concrete, **hana).replace(b"GET ", b"HEAD ") + HEALTH)
        status, headers = await bodiless(wire)
        assert (await wire.answer())[0] == 200, (path, "the next answer begins where this one ended")
        if moving:
            assert status == 200
            continue
        asked = await api.get(concrete, headers=hana | {"Prefer": "wait=0"})
        told = {name: value for name, value in asked.headers.items() if name not in CHANGING}
        assert (status, {name: value for name, value in headers.items() if name not in CHANGING}) == (
            asked.status_code,
            told,
        ), path


async def test_head_on_an_event_stream_leaves_nothing_open(running: Any, hana: dict[str, str], wire: Wire) -> None:
    for _ in range(12):  # more than an account may have open
        wire.send(get("/api/events", **hana).replace(b"GET ", b"HEAD "))
        assert (await bodiless(wire))[0] == 200
    async with asyncio.timeout(10):
        while running[0].state.subscribers._open:
            await asyncio.sleep(0.01)


async def test_head_of_what_the_caller_holds_is_304(api: httpx.AsyncClient, hana: dict[str, str]) -> None:
    etag = (await api.get(LIST, headers=hana)).headers["etag"]
    found = await api.head(LIST, headers={**hana, "If-None-Match": etag})
    assert (found.status_code, found.content) == (304, b"")


@pytest.mark.parametrize(
    ("method", "path", "allow"),
    [
        ("PUT", LIST, "GET, HEAD, OPTIONS"),
        ("DELETE", "/api/public/services", "GET, HEAD, OPTIONS"),
        ("GET", "/api/auth/login", "OPTIONS, POST"),
        ("HEAD", "/api/auth/login", "OPTIONS, POST"),
        ("POST", "/api/account/address", "GET, HEAD, OPTIONS, PUT"),
        ("PATCH", "/api/cases/500A", "GET, HEAD, OPTIONS"),
        ("DELETE", "/schema", "GET, HEAD, OPTIONS"),
        ("POST", "/metrics", "GET, HEAD, OPTIONS"),
    ],
)
async def test_a_method_that_a_path_lacks_is_405_and_names_those_it_has(
    api: httpx.AsyncClient, method: str, path: str, allow: str
) -> None:
    found = await api.request(method, path)
    assert (found.status_code, found.headers["allow"]) == (405, allow)
    if method != "HEAD":
        assert found.json()["code"] == "method_not_allowed"
    asked = await api.options(path)
    assert (asked.status_code, asked.headers["allow"]) == (204, allow), "without a session"


async def test_options_of_the_server(running: Any, wire: Wire) -> None:
    wire.send(b"OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n" + HEALTH)
    status, headers, _ = await wire.answer()
    assert (status, headers["allow"]) == (204, "DELETE, GET, HEAD, OPTIONS, PATCH, POST, PUT")
    assert (await wire.answer())[0] == 200


@pytest.mark.parametrize("method", ["FOO", "get", "GETX", "X-Y!", "PROPFIND", "TRACE", "PURGE", "QUERY", "MKCOL"])
async def test_a_method_that_nobody_has_is_501(running: Any, wire: Wire, method: str) -> None:
    for path in (LIST, "/nowhere", "/metrics", "/api/events"):
        wire = await connect(wire.writer.get_extra_info("peername")[1])
        wire.send(f"{method} {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        status, _, body = await wire.answer()
        assert (status, msgspec.json.decode(body)["code"]) == (501, "method_not_implemented"), path
        wire.writer.close()


async def test_connect_is_501(running: Any, wire: Wire) -> None:
    wire.send(b"CONNECT example.org:443 HTTP/1.1\r\nHost: example.org:443\r\n\r\n")
    assert_refused(await wire.answer(), 501, "method_not_implemented")
    assert await wire.ended()
