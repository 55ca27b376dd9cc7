"""Requests that ask for another protocol are answered as if they had not: nothing of them is lost."""

import asyncio
from typing import Any

import httpx
import msgspec
import pytest

from tests.http.conftest import PASSWORD
from tests.http.fast.test_connection import COLD, HEALTH, LIST, Wire, assert_refused, get, kept, running, wire
from tests.http.fast.test_path import hana
from tests.projections.conftest import feed

__all__ = ["feed", "hana", "running", "wire"]

LOGIN = msgspec.json.encode({"email": "hana@example.jp", "password": PASSWORD})


H2C = ("Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMAAABkAAQCAAAAAAIAAAAA")


def login(*lines: str, body: bytes = LOGIN, framed: bool = True) -> bytes:
    told = ["POST /api/auth/login HTTP/1.1", "Host: x", "Content-Type: application/json", *lines]
    length = [f"Content-Length: {len(body)}"] if framed else []
    return ("\r\n".join([*told, *length]) + "\r\n\r\n").encode() + body


def chunked(body: bytes, size: int) -> bytes:
    pieces = [body[at : at + size] for at in range(0, len(body), size)]
    return b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"


@pytest.mark.parametrize("upgrade", [H2C, ("connection: keep-alive, UPGRADE", "upgrade: websocket"), H2C[1:], H2C[:1]])
@pytest.mark.parametrize("framing", ["length", "chunked", "many chunks"])
async def test_the_body_of_a_request_that_asks_for_an_upgrade_is_kept(
    api: httpx.AsyncClient, hana: dict[str, str], wire: Wire, upgrade: tuple[str, ...], framing: str
) -> None:
    if framing == "length":
        request = login(*upgrade)
    else:
        body = chunked(LOGIN, 7 if framing == "many chunks" else 4096)
        request = login(*upgrade, "Transfer-Encoding: chunked", body=body, framed=False)
    body_of_list = await kept(api, hana)
    for _ in range(2):
        wire.send(request + get(LIST, **hana) + request + HEALTH)
        assert [(await wire.answer())[0], (await wire.answer())[2] == body_of_list] == [200, True]
        assert [(await wire.answer())[0], (await wire.answer())[0]] == [200, 200]


@pytest.mark.parametrize("framing", ["length", "chunked"])
async def test_it_may_come_in_any_two_pieces_and_byte_by_byte(
    api: httpx.AsyncClient, hana: dict[str, str], wire: Wire, framing: str
) -> None:
    refused = b'{"email":"x@example.jp","password":"no"}'
    more = {} if framing == "length" else {"body": chunked(refused, 11), "framed": False}
    lines = H2C if framing == "length" else (*H2C, "Transfer-Encoding: chunked")
    request = login(*lines, **{"body": refused, **more})  # type: ignore[arg-type]
    request = request.replace(b"/api/auth/login", b"/api/auth/logout")  # judged without the work of a password
    for cut in range(1, len(request)):
        wire.send(request[:cut])
        await wire.writer.drain()
        await asyncio.sleep(0)
        wire.send(request[cut:])
        assert (await wire.answer())[0] == 401, cut
    for byte in login(
        *lines, **{"body": LOGIN if framing == "length" else chunked(LOGIN, 9), "framed": framing == "length"}
    ):  # type: ignore[arg-type]
        wire.send(bytes([byte]))
        await asyncio.sleep(0.0005)
    assert (await wire.answer())[0] == 200
    wire.send(HEALTH)
    assert (await wire.answer())[0] == 200


async def test_an_upgrade_waits_its_turn_and_asks_for_100_continue(
    api: httpx.AsyncClient, hana: dict[str, str], wire: Wire
) -> None:
    wire.send(get(COLD, **hana) + get(LIST, *H2C, **hana) + login(*H2C) + get(LIST, *H2C, **hana))
    assert [(await wire.answer())[0] for _ in range(4)] == [200] * 4
    wire.send(login(*H2C, "Expect: 100-continue", body=b"")[: -len("Content-Length: 0\r\n\r\n")])
    wire.send(b"Content-Length: %d\r\n\r\n" % len(LOGIN))
    assert await wire.reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
    wire.send(LOGIN)
    assert (await wire.answer())[0] == 200


async def test_an_upgrade_with_close_is_answered_and_ends_the_connection(running: Any, wire: Wire) -> None:
    wire.send(get("/api/health/live", "Connection: close, Upgrade", "Upgrade: h2c") + HEALTH)
    status, headers, _ = await wire.answer()
    assert (status, headers["connection"]) == (200, "close")
    assert await wire.ended()


async def test_a_framing_that_is_wrong_is_refused_under_an_upgrade_too(running: Any, wire: Wire) -> None:
    wire.send(login(*H2C, "Transfer-Encoding: chunked", body=b"zz\r\n", framed=False))
    assert_refused(await wire.answer(), 400, "invalid_request")
