"""One host, and no header twice that may come once; with raw bytes, on both ways to an answer."""

from typing import Any

import httpx
import msgspec
import pytest

from tests.http.conftest import PASSWORD
from tests.http.fast.test_connection import COLD, HEALTH, LIST, Wire, connect, get, kept, running, wire
from tests.http.fast.test_path import hana
from tests.projections.conftest import feed

__all__ = ["feed", "hana", "running", "wire"]

LOGIN = msgspec.json.encode({"email": "hana@example.jp", "password": PASSWORD})


BAD_HOSTS = {
    "none": [],
    "two": ["Host: x", "Host: y"],
    "twice the same": ["Host: x", "Host: x"],
    "empty": ["Host:"],
    "a list": ["Host: x, y"],
    "a path": ["Host: x/y"],
    "a user": ["Host: a@x"],
    "a blank": ["Host: x y"],
    "a port that is none": ["Host: x:http"],
    "two ports": ["Host: x:1:2"],
    "half a bracket": ["Host: [::1"],
    "an odd escape": ["Host: %zz"],
    "no ASCII": ["Host: bücher.example"],
}


@pytest.mark.parametrize("path", [LIST, COLD, "/api/public/services", "/api/health/live", "/metrics", "/nowhere"])
async def test_a_request_names_one_host(api: httpx.AsyncClient, hana: dict[str, str], wire: Wire, path: str) -> None:
    if path == LIST:
        await kept(api, hana)
    for name, hosts in BAD_HOSTS.items():
        lines = [f"GET {path} HTTP/1.1", *hosts, f"Authorization: {hana['authorization']}"]
        wire.send(("\r\n".join(lines) + "\r\n\r\n").encode("latin-1") + HEALTH)
        status, _, body = await wire.answer()
        assert (status, msgspec.json.decode(body)["code"]) == (400, "invalid_host"), name
        assert (await wire.answer())[0] == 200, "the connection goes on"


HOSTS = ["x", "portal.example.jp:443", "[::1]:8000", "127.0.0.1", "x:", "\tx\t ", "xn--bcher-kva.example"]


async def test_a_host_may_be_anything_that_is_one(api: httpx.AsyncClient, hana: dict[str, str], wire: Wire) -> None:
    body = await kept(api, hana)
    for host in HOSTS:
        for path in (LIST, COLD):
            wire.send(get(path, **hana).replace(b"Host: x\r\n", f"Host: {host}\r\n".encode()))
            status, _, got = await wire.answer()
            assert status == 200, host
            assert path == COLD or got == body


async def test_http_1_0_needs_no_host_and_may_not_have_two(api: httpx.AsyncClient, hana: dict[str, str]) -> None:
    body = await kept(api, hana)
    for lines, expected in ((b"", 200), (b"Host: x\r\nHost: x\r\n", 400)):
        wire = await connect(api.base_url.port or 0)
        wire.send(get(LIST, version="1.0", **hana).replace(b"Host: x\r\n", lines))
        status, _, got = await wire.answer()
        assert (status, got == body) == (expected, expected == 200)


async def test_the_absolute_form_is_understood(api: httpx.AsyncClient, hana: dict[str, str], wire: Wire) -> None:
    body = await kept(api, hana)
    wire.send(get(f"http://portal.example.jp{LIST}", **hana))
    assert (await wire.answer())[2] == body


ONCE = ("Authorization", "Idempotency-Key", "Consistency-Token", "X-CSRF-Token", "Content-Type", "Origin")


async def test_a_header_of_one_value_may_not_come_twice(api: httpx.AsyncClient, hana: dict[str, str]) -> None:
    for name in ONCE:
        value = hana["authorization"] if name == "Authorization" else "application/json"
        more = [] if name == "Authorization" else list(hana.items())
        for path in (LIST, COLD):
            found = await api.get(path, headers=[*more, (name, value), (name, value)])
            assert (found.status_code, found.json()["code"]) == (400, "repeated_header"), name
            assert found.json()["errors"][0]["field"] == name.lower()


async def test_a_body_in_a_coding_is_not_taken_for_plain(api: httpx.AsyncClient) -> None:
    headers = {"Content-Type": "application/json", "Content-Encoding": "gzip"}
    found = await api.post("/api/auth/login", content=LOGIN, headers=headers)
    assert (found.status_code, found.json()["code"]) == (415, "unsupported_media_type")


@pytest.mark.parametrize("coding", ["gzip, chunked", "identity, chunked", "deflate, Chunked"])
async def test_a_transfer_coding_that_nobody_undoes_is_refused(running: Any, wire: Wire, coding: str) -> None:
    head = f"POST /api/auth/login HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nTransfer-Encoding: {coding}"
    wire.send(head.encode() + b"\r\n\r\n%x\r\n%b\r\n0\r\n\r\n" % (len(LOGIN), LOGIN) + HEALTH)
    status, _, body = await wire.answer()
    assert (status, msgspec.json.decode(body)["code"]) == (501, "transfer_coding_unknown")
    assert (await wire.answer())[0] == 200
