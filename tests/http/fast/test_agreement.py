"""The fast path and the ordinary route give the same answer to every request."""

from typing import Any

import httpx
import msgspec
import pytest

from tests.http.conftest import served
from tests.http.fast.test_connection import HEALTH, LIST, Wire, connect, running
from tests.http.fast.test_path import CHANGING, hana
from tests.projections.conftest import feed

__all__ = ["feed", "hana", "running"]

ORIGIN = "https://shop.example.jp"
ITEM, PUBLIC = "/api/invoices/77", "/api/public/services"
LINES: dict[str, list[str]] = {
    "nothing more": [],
    "close": ["Connection: close"],
    "an option": ["Connection: x-hop", "X-Hop: 1"],
    "upgrade": ["Connection: Upgrade", "Upgrade: h2c", "HTTP2-Settings: AAAA"],
    "websocket": ["Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Key: x", "Sec-WebSocket-Version: 13"],
    "an upgrade that is none": ["Upgrade: h2c"],
    "trailers": ["TE: trailers"],
    "a wish to continue": ["Expect: 100-continue"],
    "a range": ["Range: bytes=0-9"],
    "a date": ["If-Modified-Since: Mon, 30 Nov 2099 00:00:00 GMT"],
    "another date": ["If-Unmodified-Since: Mon, 30 Nov 1999 00:00:00 GMT"],
    "held": ["If-None-Match: *"],
    "held by date too": ["If-None-Match: *", "If-Modified-Since: Mon, 30 Nov 1999 00:00:00 GMT"],
    "held in two lines": ['If-None-Match: "a"', 'If-None-Match: "b"'],
    "held, unreadable": ["If-None-Match: a, b"],
    "packed": ["Accept-Encoding: gzip;q=0.9"],
    "packed in two lines": ["Accept-Encoding: br", "Accept-Encoding: gzip"],
    "packed alone": ["Accept-Encoding: gzip, identity;q=0"],
    "never packed": ["Accept-Encoding: gzip;q=0, *;q=0"],
    "another kind": ["Accept: text/html"],
    "another language": ["Accept-Language: ja"],
    "an origin": [f"Origin: {ORIGIN}"],
    "a foreign origin": ["Origin: https://evil.example"],
    "no origin": ["Origin: null"],
    "two origins": [f"Origin: {ORIGIN}", "Origin: https://evil.example"],
    "a preflight that is none": [f"Origin: {ORIGIN}", "Access-Control-Request-Method: PUT"],
    "another method": ["X-HTTP-Method-Override: DELETE"],
    "another address": ["X-Original-URL: /api/admin/dead-letters", "X-Rewrite-URL: /nowhere"],
    "a forwarded host": ["X-Forwarded-Host: evil.example", "Forwarded: host=evil.example"],
    "an empty header": ["X-Empty:"],
    "a header of many": [f"X-Many: {'a' * 6_000}"],
    "a bad id": ["X-Request-Id: a b"],
    "two ids": ["X-Request-Id: one", "X-Request-Id: two"],
    "no length": ["Content-Length: 0"],
    "a kind of nothing": ["Content-Type: application/json"],
    "a coding of nothing": ["Content-Encoding: gzip"],
    "a cookie": ["Cookie: portal_session=x"],
    "two keys": ["Idempotency-Key: a", "Idempotency-Key: a"],
    "a version": ["Portal-Version: 2026-11-30"],
    "no version": ["Portal-Version:"],
    "an unknown version": ["Portal-Version: 2099-01-01"],
    "two versions": ["Portal-Version: 2026-11-30", "Portal-Version: 2026-11-30"],
    "another session": ["Authorization: Bearer x"],
}
HOSTS = ["Host: x", "", "Host:", "Host: x\r\nHost: x", "Host: a b", "Host: [::1]:80", "Host: x:y", "HOST: X"]
TARGETS = [
    *("{}", "{}/", "/{}", "{}//", "{}?", "{}?limit=25", "{}?limit=25&limit=25", "{}?nothing=1", "{};a=b", "{}%00"),
    *("http://x{}", "http://other.example{}", "HTTP://x{}", "{}/..", "/.{}", "{}%2f", "{}#part", "{}%20", "{}\\"),
]


def request(target: str, head: list[str], version: str = "1.1") -> bytes:
    return ("\r\n".join([f"GET {target} HTTP/{version}", *filter(None, head)]) + "\r\n\r\n").encode()


async def answers(port: int, asked: bytes) -> tuple[int, dict[str, str], bytes]:
    """Return the answers without what differs from one instant or encoding to the next."""
    wire: Wire = await connect(port)
    wire.send(asked)
    status, headers, body = await wire.answer()
    wire.writer.close()
    packed = headers.pop("content-encoding", None) == "gzip"
    content = httpx.Response(200, headers={"content-encoding": "gzip"} if packed else {}, content=body).content
    told = {name: value for name, value in headers.items() if name not in CHANGING | {"content-length"}}
    told["etag"] = told.get("etag", "").removeprefix("W/")
    if told.get("content-type") == "application/problem+json":
        content = msgspec.json.encode({**msgspec.json.decode(content), "request_id": ""})
    return status, told, content


async def assert_agreed(port: int, target: str, head: list[str], version: str = "1.1") -> int:
    """Ask the ordinary route, which `Prefer` enforces, and the fast path, cold and warm. Return the status they agree
    on."""
    ordinary = await answers(port, request(target, [*head, "Prefer: wait=0"], version))
    for _ in range(3):
        assert await answers(port, request(target, head, version)) == ordinary, (target, head)
    return ordinary[0]


@pytest.fixture
async def port(running: Any, settings: Any, hana: dict[str, str]) -> Any:
    rates = dict.fromkeys(("account_rate_per_minute", "public_rate_per_minute"), 100_000)
    async with served(msgspec.structs.replace(settings, cors_origins=ORIGIN, **rates)) as (_, client):
        yield client.base_url.port


@pytest.mark.parametrize("target", [LIST, ITEM, PUBLIC])
async def test_on_every_header(port: int, hana: dict[str, str], target: str) -> None:
    own = [f"Authorization: {hana['authorization']}"] if target != PUBLIC else []
    found = {}
    for name, lines in LINES.items():
        for version in ("1.1", "1.0"):
            found[name] = await assert_agreed(port, target, ["Host: x", *own, *lines], version)
    assert {found[name] for name in ("nothing more", "upgrade", "packed", "a foreign origin", "a range")} == {200}
    assert (found["held"], found["two origins"], found["two keys"]) == (304, 400, 400)
    assert [found[name] for name in ("a version", "no version", "an unknown version", "two versions")] == [
        200,
        *[400] * 3,
    ]


@pytest.mark.parametrize("target", [LIST, PUBLIC])
async def test_on_every_host(port: int, hana: dict[str, str], target: str) -> None:
    own = [f"Authorization: {hana['authorization']}"]
    found = [await assert_agreed(port, target, [host, *own]) for host in HOSTS]
    assert found == [200, 400, 400, 400, 400, 200, 400, 200]


@pytest.mark.parametrize("path", [LIST, ITEM, PUBLIC])
async def test_on_every_form_of_an_address(port: int, hana: dict[str, str], path: str) -> None:
    own = ["Host: x", f"Authorization: {hana['authorization']}"]
    for target in TARGETS:
        await assert_agreed(port, target.format(path), own)


async def test_on_whose_session_it_is(port: int, hana: dict[str, str]) -> None:
    token = hana["authorization"][7:]
    mixes = {
        f"Authorization: Bearer {token}": 200,
        f"Authorization: bearer  {token} ": 200,
        f"Authorization: Basic {token}": 401,
        f"Authorization: {token}": 401,
        f"Cookie: portal_session={token}": 200,
        f"Cookie: a=b;portal_session={token}; c=d": 200,
        f"Cookie: __Host-portal_session={token}": 401,
        f"Cookie: xportal_session={token}": 401,
        f"Cookie: portal_session={token}\r\nCookie: a=b": 200,
        f"Cookie: portal_session=x\r\nAuthorization: Bearer {token}": 200,
        f"Cookie: portal_session={token}\r\nAuthorization: Bearer x": 401,
        f"Authorization: Bearer x\r\nAuthorization: Bearer {token}": 400,
        f'Cookie: portal_session="{token}"': None,
        f"Cookie: portal_session={token}; portal_session=x": None,
        f"Cookie: portal_session=x; portal_session={token}": None,
        f"Cookie: PORTAL_SESSION={token}": 401,
    }
    for lines, expected in mixes.items():
        found = await assert_agreed(port, LIST, ["Host: x", lines])
        assert expected in (None, found), lines


async def test_what_follows_is_answered_whatever_came_before(port: int, hana: dict[str, str]) -> None:
    own = [f"Authorization: {hana['authorization']}"]
    for name, lines in LINES.items():
        if name in ("close", "a wish to continue"):
            continue
        wire = await connect(port)
        wire.send(request(LIST, ["Host: x", *own, *lines]) + HEALTH)
        await wire.answer()
        assert (await wire.answer())[0] == 200, name
        wire.writer.close()
