"""The connection itself, byte by byte over real sockets: order, bounds, and every way in which a client may behave."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import httpx
import msgspec
import pytest
from redis.asyncio import Redis
from structlog.testing import capture_logs

from app.http.fast.connection import MOST_QUEUED, MOST_UNUSED_BYTES, HttpConnection
from app.settings import Settings
from tests.http.conftest import served
from tests.http.fast.test_path import hana
from tests.http.real_server import on_server
from tests.projections.conftest import feed

__all__ = ["feed", "hana"]

LIST, COLD = "/api/invoices", "/api/auth/me"
HEALTH = b"GET /api/health/live HTTP/1.1\r\nHost: x\r\n\r\n"


class Wire:
    """One connection, and the answers that come over it."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    def send(self, data: bytes) -> None:
        self.writer.write(data)

    async def answer(self) -> tuple[int, dict[str, str], bytes]:
        """Status, headers, body."""
        async with asyncio.timeout(60):
            head = (await self.reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
            pairs = [line.split(": ", 1) for line in head[1:-2]]
            headers = {name.lower(): value for name, value in pairs}
            assert len(headers) == len(pairs), "no header comes twice"
            body = await self.reader.readexactly(int(headers.get("content-length", 0)))
        return int(head[0].split()[1]), headers, body

    async def ended(self) -> bool:
        """Return whether the server ends the connection now, without another byte."""
        async with asyncio.timeout(60):
            try:
                return await self.reader.read(1) == b""
            except ConnectionError:
                return True


async def connect(port: int) -> Wire:
    return Wire(*await asyncio.open_connection("127.0.0.1", port))


def get(path: str, *lines: str, version: str = "1.1", **headers: str) -> bytes:
    told = [f"GET {path} HTTP/{version}", "Host: x", *lines, *(f"{name}: {value}" for name, value in headers.items())]
    return ("\r\n".join(told) + "\r\n\r\n").encode()


@pytest.fixture
async def running(settings: Settings, pool: asyncpg.Pool, redis: Redis) -> AsyncIterator[Any]:
    """Without a limit that these tests would reach."""
    rates = dict.fromkeys(("auth_rate_per_minute", "account_rate_per_minute", "public_rate_per_minute"), 100_000)
    async with served(msgspec.structs.replace(settings, **rates)) as found:
        yield found


@pytest.fixture
async def wire(api: httpx.AsyncClient) -> AsyncIterator[Wire]:
    found = await connect(api.base_url.port or 0)
    yield found
    found.writer.close()


async def kept(api: httpx.AsyncClient, hana: dict[str, str]) -> bytes:
    """The list, which is in memory now."""
    for _ in range(2):
        response = await api.get(LIST, headers=hana)
    return response.content


async def test_answers_come_in_the_order_of_their_requests_wherever_they_come_from(
    running: Any, api: httpx.AsyncClient, hana: dict[str, str], wire: Wire
) -> None:
    body = await kept(api, hana)
    asked = [LIST, COLD, LIST, "/api/invoices/77", LIST, "/api/nowhere", "/api/invoices/76", LIST]
    for _ in range(3):
        wire.send(b"".join(get(path, **hana) for path in asked))
        answers = [await wire.answer() for _ in asked]
        assert [status for status, _, _ in answers] == [200, 200, 200, 200, 200, 404, 200, 200]
        assert [answers[number][2] for number in (0, 2, 4, 7)] == [body] * 4
        assert msgspec.json.decode(answers[1][2])["user"]["email"] == "hana@example.jp"
        assert [msgspec.json.decode(answers[n][2])["invoice_id"] for n in (3, 6)] == ["77", "76"]
        running[0].state.layers.cache.memory.clear()
        await asyncio.sleep(0.1)  # from Redis next time


async def test_a_request_may_come_in_any_two_pieces(api: httpx.AsyncClient, hana: dict[str, str], wire: Wire) -> None:
    body = await kept(api, hana)
    wire.writer.transport.set_write_buffer_limits(0)
    request = get(LIST, "X-Request-Id: piecemeal", **hana)
    for cut in range(1, len(request)):
        wire.send(request[:cut])
        await wire.writer.drain()
        await asyncio.sleep(0)
        wire.send(request[cut:])
        status, headers, got = await wire.answer()
        assert (status, headers["x-request-id"], got) == (200, "piecemeal", body), cut


async def test_a_request_may_come_byte_by_byte(api: httpx.AsyncClient, hana: dict[str, str], wire: Wire) -> None:
    body = await kept(api, hana)
    for byte in get(LIST, **hana):
        wire.send(bytes([byte]))
        await asyncio.sleep(0.001)
    assert (await wire.answer())[2] == body


async def test_thousands_of_requests_take_one_connection(
    api: httpx.AsyncClient, hana: dict[str, str], wire: Wire
) -> None:
    body = await kept(api, hana)
    for _ in range(2_000):
        wire.send(get(LIST, **hana))
        assert (await wire.answer())[2] == body


async def test_a_client_that_does_not_read_fills_no_memory_and_still_gets_its_answers(
    running: Any, api: httpx.AsyncClient, hana: dict[str, str], wire: Wire
) -> None:
    body = await kept(api, hana)
    port = wire.writer.get_extra_info("sockname")[1]
    connection = next(
        each for each in running[0].state.connections if each.transport.get_extra_info("peername")[1] == port
    )
    request = get(LIST, **hana)
    sending = asyncio.create_task(_flood(wire, request, 5_000))
    highest = 0
    for _ in range(60):
        await asyncio.sleep(0.01)
        highest = max(highest, connection.transport.get_write_buffer_size())
        assert len(connection.pipeline) <= MOST_QUEUED
    assert highest < 20 * len(body), "what is written waits for who reads"
    answers = 0
    headers: dict[str, str] = {}
    while headers.get("connection") != "close":
        status, headers, got = await wire.answer()
        assert (status, got) == (200, body)
        answers += 1
    assert answers > MOST_QUEUED
    assert await wire.ended()
    sending.cancel()


async def _flood(wire: Wire, request: bytes, count: int) -> None:
    for _ in range(count):
        wire.send(request)
        await wire.writer.drain()


@pytest.mark.parametrize(
    ("lines", "version"), [(["Connection: close"], "1.1"), ([], "1.0"), (["Connection: keep-alive"], "1.0")]
)
async def test_a_connection_that_is_to_end_ends_with_the_answer(
    running: Any, api: httpx.AsyncClient, hana: dict[str, str], lines: list[str], version: str
) -> None:
    body = await kept(api, hana)
    for path in (LIST, COLD, LIST):
        wire = await connect(api.base_url.port or 0)
        wire.send(get(path, *lines, version=version, **hana) + get(LIST, **hana))
        status, headers, got = await wire.answer()
        assert (status, headers["connection"]) == (200, "close")
        assert got == body or path == COLD
        assert await wire.ended(), "what comes after the last request is not answered"
        running[0].state.layers.cache.memory.clear()
        wire.writer.close()


async def test_a_client_that_leaves_while_its_answer_is_fetched_costs_nothing_more(
    running: Any, api: httpx.AsyncClient, hana: dict[str, str]
) -> None:
    body = await kept(api, hana)
    fast_path, cache = running[0].state.fast_path, running[0].state.layers.cache
    for wait in (0, 0.0005, 0.002, 0.01) * 8:
        cache.memory.clear()
        wire = await connect(api.base_url.port or 0)
        wire.send(get(LIST, **hana))
        await asyncio.sleep(wait)
        wire.writer.transport.abort()
    async with asyncio.timeout(60):
        while fast_path._fetching or len(running[0].state.connections) > 1:
            await asyncio.sleep(0.01)
    assert (await api.get(LIST, headers=hana)).content == body


async def test_closing_a_connection_cancels_its_requests(running: Any, hana: dict[str, str], wire: Wire) -> None:
    wire.send(get("/api/events", **hana) + get(COLD, **hana) + HEALTH)
    assert (await wire.reader.readuntil(b"welcome"))[:12] == b"HTTP/1.1 200"
    subscribers = running[0].state.subscribers
    assert subscribers._open == 1
    wire.writer.close()
    async with asyncio.timeout(60):
        while subscribers._open:
            await asyncio.sleep(0.01)


async def test_closing_a_connection_in_the_middle_of_a_body_is_not_logged_as_an_error(running: Any, wire: Wire) -> None:
    head = b"POST /api/auth/login HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\n{"
    with capture_logs() as lines:
        wire.send(head)
        await asyncio.sleep(0.1)
        wire.writer.transport.abort()
        async with asyncio.timeout(60):
            while not lines:
                await asyncio.sleep(0.01)
    assert [(line["log_level"], line["status"]) for line in lines] == [("info", 408)]


async def test_a_copy_that_cannot_be_read_is_passed_over(
    running: Any, api: httpx.AsyncClient, hana: dict[str, str], redis: Redis
) -> None:
    body = await kept(api, hana)
    async with asyncio.timeout(60):
        while not (keys := [key async for key in redis.scan_iter("portal:*:page:*")]):
            await asyncio.sleep(0.05)
    for key in keys:
        await redis.set(key, b"\xc1nonsense")
    running[0].state.layers.cache.memory.clear()
    assert (await api.get(LIST, headers=hana)).content == body


def assert_refused(answer: tuple[int, dict[str, str], bytes], status: int, code: str) -> None:
    told = msgspec.json.decode(answer[2])
    assert (answer[0], told["code"], told["status"]) == (status, code, status)
    assert answer[1]["content-type"] == "application/problem+json"
    assert answer[1]["connection"] == "close"
    assert answer[1]["x-request-id"] == told["request_id"]
    assert answer[1]["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize(
    "request_",
    [
        b"NONSENSE\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc",
        b"GET /api/invoices HTTP/9.9\r\nHost: x\r\n\r\n",
        b"GET /api/public/services HTTP/2.0\r\nHost: x\r\n\r\n",
        b"GET /api/public/services HTTP/0.9\r\nHost: x\r\n\r\n",
        b"GET /api/public/services\r\nHost: x\r\n\r\n",
        b"GET /api/public/services\nHost: x\r\n\r\n",
        b"GET /api/public/services\nHost: x\r\n\r\n" + HEALTH,
        b"POST /api/auth/login\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}" + HEALTH,
        b"POST /api/auth/login\nHost: x\r\nConnection: Upgrade\r\nUpgrade: h2c\r\nContent-Length: 2\r\n\r\n{}",
        b"GET http://x:999999/api/public/services HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /api/inv\x00ices HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /api/invoices HTTP/1.1\r\nHost x\r\n\r\n",
        b"GET /api/invoices HTTP/1.1\r\nBad Name: x\r\n\r\n",
        b"GET /api/inv\xc3\xa4 HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /api/invoices HTTP/1.1\r\nX: a\r\n b\r\n\r\n",
        b"POST /api/auth/login HTTP/1.1\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"POST /api/auth/login HTTP/1.1\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n",
        b"POST /api/auth/login HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
        b"POST /api/auth/login HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    ],
)
async def test_malformed_requests_are_refused_and_the_connection_ends(
    running: Any, wire: Wire, request_: bytes
) -> None:
    wire.send(request_)
    assert_refused(await wire.answer(), 400, "invalid_request")
    assert await wire.ended()


BAD_BODY = b"POST /api/auth/login HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"


@pytest.mark.parametrize(
    "nonsense",
    [
        b"NONSENSE\r\n\r\n",
        b"GET /\nHost: x\r\n\r\n",
        b"GET / HTTP/2.0\r\nHost: x\r\n\r\n" + HEALTH,
        b"GET http://x:999999/ HTTP/1.1\r\nHost: x\r\n\r\n" + HEALTH,
        BAD_BODY,
        BAD_BODY.replace(b"zz", b"2\r\n{}\r\nzz"),
    ],
)
async def test_requests_before_a_malformed_one_are_answered(
    api: httpx.AsyncClient, hana: dict[str, str], wire: Wire, nonsense: bytes
) -> None:
    body = await kept(api, hana)
    wire.send(get(LIST, **hana) + get(COLD, **hana) + nonsense)
    assert (await wire.answer())[2] == body
    status, headers, _ = await wire.answer()
    assert (status, headers["connection"]) == (200, "close")
    assert await wire.ended()


async def test_a_client_of_http_1_0_is_not_asked_to_continue(running: Any, wire: Wire) -> None:
    wire.send(b"POST /api/auth/logout HTTP/1.0\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n")
    await asyncio.sleep(0.1)
    wire.send(b"{}")
    assert (await wire.answer())[0] == 401


async def test_a_head_without_end_is_refused(running: Any, wire: Wire) -> None:
    wire.send(b"GET / HTTP/1.1\r\n" + b"X-A: b\r\n" * (MOST_UNUSED_BYTES // 8 + 100))
    await asyncio.sleep(0.1)
    wire.send(b"X-A: b\r\n" * (MOST_UNUSED_BYTES // 8 + 100))
    assert_refused(await wire.answer(), 431, "headers_too_large")
    assert await wire.ended()


@pytest.mark.parametrize("endless", [b"0\r\nX-Trailer: ", b"1;extension="])
async def test_chunk_headers_and_trailers_are_bounded_too(running: Any, wire: Wire, endless: bytes) -> None:
    head = b"POST /api/auth/login HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
    wire.send(head + b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n" + endless)
    with pytest.raises(ConnectionError):
        await _flood(wire, b"x" * 8_192, 2_000)


async def test_trailers_are_no_headers(running: Any, wire: Wire) -> None:
    body = b'{"email":"hana@example.jp","password":"wrong wrong wrong"}'
    head = b"POST /api/auth/login HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nExpect: 100-continue\r\n"
    wire.send(head + b"Transfer-Encoding: chunked\r\n\r\n")
    assert await wire.reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
    wire.send(b"%x\r\n%b\r\n0\r\nX-Request-Id: trailing\r\n\r\n" % (len(body), body) + HEALTH)
    status, headers, _ = await wire.answer()
    assert (status, headers["x-request-id"] != "trailing") == (401, True)
    assert (await wire.answer())[0] == 200, "the connection goes on"


async def test_an_upgrade_is_answered_as_if_it_had_not_been_asked(
    api: httpx.AsyncClient, hana: dict[str, str], wire: Wire
) -> None:
    body = await kept(api, hana)
    wire.send(get(LIST, "Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMAAABk", **hana))
    status, _, got = await wire.answer()
    assert (status, got) == (200, body)


async def test_a_client_that_takes_its_time_is_not_waited_for(
    settings: Settings, pool: asyncpg.Pool, redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.http.fast.connection.HEAD_SECONDS", 1.0)
    monkeypatch.setattr("app.http.fast.connection.BODY_SECONDS", 2.0)
    monkeypatch.setattr("app.http.fast.connection.IDLE_SECONDS", 6.0)
    async with on_server(settings) as (server, port):
        silent, trickling, bodiless, idle = [await connect(port) for _ in range(4)]
        trickling.send(HEALTH[:-4])
        bodiless.send(
            b"POST /api/auth/login HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\n{"
        )
        idle.send(HEALTH)
        assert (await idle.answer())[0] == 200
        assert await silent.ended()
        assert_refused(await trickling.answer(), 408, "request_timeout")
        assert await trickling.ended()
        assert await bodiless.ended()
        idle.send(HEALTH)
        assert (await idle.answer())[0] == 200
        assert await idle.ended()
        assert not server.server_state.connections


async def test_a_client_that_takes_nothing_is_cut_off(
    settings: Settings, pool: asyncpg.Pool, redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.http.fast.connection.UNSENT_SECONDS", 1.0)
    async with on_server(settings) as (server, port):
        wire = await connect(port)
        sending = asyncio.create_task(_flood(wire, get("/schema/openapi.json"), 400))
        async with asyncio.timeout(60):
            while not server.server_state.connections:
                await asyncio.sleep(0.01)
            while server.server_state.connections:
                await asyncio.sleep(0.05)
        sending.cancel()


async def test_connections_over_the_limit_get_a_503(
    settings: Settings, pool: asyncpg.Pool, redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.processes.api.SPARE", 2)
    few = msgspec.structs.replace(settings, event_streams=1, requests_at_once=1)
    async with on_server(few) as (_, port):
        wires = [await connect(port) for _ in range(4)]
        for each in wires:
            each.send(HEALTH)
            assert (await each.answer())[0] == 200
        refused = await connect(port)
        assert_refused(await refused.answer(), 503, "server_busy")
        assert await refused.ended()
        wires[0].writer.close()
        await asyncio.sleep(0.05)
        again = await connect(port)
        again.send(HEALTH)
        assert (await again.answer())[0] == 200


async def test_a_stopping_server_answers_running_requests_and_closes_idle_connections(
    settings: Settings, pool: asyncpg.Pool, redis: Redis
) -> None:
    async with on_server(msgspec.structs.replace(settings, api_drain_seconds=0.3)) as (server, port):
        idle, busy, late = [await connect(port) for _ in range(3)]
        idle.send(HEALTH)
        assert (await idle.answer())[0] == 200
        body = b'{"email":"hana@example.jp","password":"wrong wrong wrong"}'
        head = (
            "POST /api/auth/login HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n"
        )
        busy.send(head.format(len(body)).encode() + body[:5])
        await asyncio.sleep(0.05)
        server.leave()
        server.leave()
        late.send(HEALTH)
        status, headers, _ = await late.answer()
        assert (status, headers["connection"]) == (200, "close")
        assert await late.ended()
        assert await idle.ended(), "once the time to leave is over"
        busy.send(body[5:])
        status, headers, _ = await busy.answer()
        assert (status, headers["connection"]) == (401, "close")
        assert await busy.ended()
    assert [each for each in server.server_state.connections if isinstance(each, HttpConnection)] == []
