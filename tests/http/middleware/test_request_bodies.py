"""Places are taken by those who have proven something: half of a request takes none, and nobody gets all of them."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
import httpx
import msgspec
import pytest
from msgspec.structs import replace
from redis.asyncio import Redis

from app.commands.identity.sessions.session_store import open_session
from app.http.middleware import request_bodies
from app.http.middleware.request_bodies import RequestBodies
from app.http.routes.case_attachments import LARGEST_BODY_BYTES
from app.processes.api import Server
from app.settings import Settings
from tests.fixtures.linked import add_account
from tests.http.fast.test_connection import HEALTH, Wire, assert_refused
from tests.http.fast.test_path import ORDINARY
from tests.http.real_server import on_server
from tests.http.routes.test_webhooks import signed

LOGIN = msgspec.json.encode({"email": "hana@example.jp", "password": "wrong wrong wrong"})
NOTICE = msgspec.json.encode(
    {"event": "InvoicePaid", "object": "invoice", "id": "7", "client_id": "1", "occurred_at": "2026-11-20T00:00:00Z"}
)
STRANGER, ANOTHER, WHMCS = "127.0.0.2", "127.0.0.3", "127.0.0.9"


def half(path: str, declared: int, sent: bytes = b"{", **headers: str) -> bytes:
    """Return a request whose body does not come to its end."""
    told = {"Host": "x", "Content-Type": "application/json", "Content-Length": str(declared), **headers}
    lines = [f"POST {path} HTTP/1.1", *(f"{name}: {value}" for name, value in told.items())]
    return ("\r\n".join(lines) + "\r\n\r\n").encode() + sent


class Stand:
    """A real server, and clients of it on several addresses."""

    def __init__(self, server: Server, port: int) -> None:
        self.server, self.port = server, port
        self._opened: list[Wire] = []

    @property
    def bodies(self) -> RequestBodies:
        found: Any = self.server.app.asgi_handler
        while not isinstance(found, RequestBodies):
            found = found._application
        return found

    async def wire(self, address: str) -> Wire:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port, local_addr=(address, 0))
        self._opened.append(Wire(reader, writer))
        return self._opened[-1]

    async def halves(self, addresses: Iterable[str], request: bytes) -> list[Wire]:
        """One of each address, which the server has begun to read."""
        wires = [await self.wire(address) for address in addresses]
        for each in wires:
            each.send(request)
        await asyncio.sleep(0.2)
        return wires

    async def ask(self, address: str, method: str, path: str, **more: Any) -> httpx.Response:
        transport = httpx.AsyncHTTPTransport(local_address=address)
        async with httpx.AsyncClient(transport=transport, timeout=30) as client:
            return await client.request(method, f"http://127.0.0.1:{self.port}{path}", **more)

    async def log_in(self, address: str) -> int:
        headers = {"content-type": "application/json"}
        return (await self.ask(address, "POST", "/api/auth/login", content=LOGIN, headers=headers)).status_code

    async def webhook(self, address: str, webhook_id: str) -> int:
        headers = signed(NOTICE, webhook_id=webhook_id)
        return (await self.ask(address, "POST", "/webhooks/whmcs", content=NOTICE, headers=headers)).status_code

    async def settled(self) -> None:
        """Everybody has left, and nothing is held any more."""
        for each in self._opened:
            each.writer.transport.abort()
        found = self.bodies
        async with asyncio.timeout(30):
            while found._count.used or found._bytes.used or found._application._running.used:  # type: ignore[attr-defined]
                await asyncio.sleep(0.02)
        assert not found._incoming


@asynccontextmanager
async def standing(settings: Settings, **more: Any) -> AsyncIterator[Stand]:
    generous = {"auth_rate_per_minute": 100_000, "public_rate_per_minute": 100_000, "account_rate_per_minute": 100_000}
    async with on_server(replace(settings, **generous, **more)) as (server, port):
        stand = Stand(server, port)
        yield stand
        await stand.settled()


@pytest.fixture(autouse=True)
def empty(pool: asyncpg.Pool, redis: Redis) -> None:
    """Tables and counters."""


@pytest.mark.parametrize("path", ["/webhooks/whmcs", "/webhooks/salesforce", "/api/auth/login", "/api/nowhere"])
async def test_half_sent_bodies_block_neither_webhooks_nor_the_api(settings: Settings, path: str) -> None:
    """As many as the process serves requests at once, and more than webhook admission allows."""
    async with standing(settings) as stand:
        addresses = [STRANGER] * 280 + [ANOTHER] * 280
        wires = await stand.halves(addresses, half(path, 262_144, b"x" * 2_000))
        assert await stand.webhook(WHMCS, "msg_1") == 202
        assert await stand.log_in(WHMCS) == 401
        assert (await stand.ask(WHMCS, "GET", "/api/public/services/none")).status_code == 404
        assert await stand.log_in(STRANGER) == 401, "not even the next one at that address is shut out"
        assert not any(each.reader.at_eof() for each in wires)


async def test_a_body_that_comes_slowly_counts_once_it_is_there(settings: Settings) -> None:
    async with standing(settings, requests_at_once=1) as stand:
        [slow] = await stand.halves([STRANGER], half("/api/auth/login", len(LOGIN), LOGIN[:9]))
        assert await stand.log_in(ANOTHER) == 401
        slow.send(LOGIN[9:])
        assert (await slow.answer())[0] == 401
        slow.send(HEALTH)
        assert (await slow.answer())[0] == 200, "the connection goes on"


@pytest.mark.parametrize(("path", "name"), [("/webhooks/whmcs", "WEBHOOK_SECONDS"), ("/api/auth/login", "SECONDS")])
async def test_a_body_that_does_not_come_is_not_waited_for(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, path: str, name: str
) -> None:
    monkeypatch.setattr(request_bodies, name, 0.3)
    async with standing(settings) as stand:
        [wire] = await stand.halves([STRANGER], half(path, 100))
        status, headers, body = await wire.answer()
        assert (status, msgspec.json.decode(body)["code"]) == (408, "request_timeout")
        assert headers["content-type"] == "application/problem+json"


async def test_only_signed_webhooks_pass_admission(settings: Settings) -> None:
    """An unsigned webhook is refused before admission is checked."""
    async with standing(settings, inbox_high_water=0) as stand:
        assert (await stand.ask(STRANGER, "POST", "/webhooks/whmcs", content=NOTICE)).status_code == 401
        assert await stand.webhook(WHMCS, "msg_1") == 202
        stand.server.app.state.inbox_admission._look_at = 0.0
        assert await stand.webhook(WHMCS, "msg_2") == 503
        assert (await stand.ask(STRANGER, "POST", "/webhooks/whmcs", content=NOTICE)).status_code == 401


async def test_when_too_many_bodies_arrive_those_of_the_largest_sender_are_dropped(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(request_bodies, "MOST_INCOMING", 6)
    monkeypatch.setattr(request_bodies, "MOST_INCOMING_EACH", 4)
    async with standing(settings) as stand:
        greedy = await stand.halves([STRANGER] * 4, half("/api/auth/login", 100))
        [fifth] = await stand.halves([STRANGER], half("/api/auth/login", 100))
        status, _, body = await fifth.answer()
        assert (status, msgspec.json.decode(body)["code"]) == (503, "server_busy")
        modest = await stand.halves([ANOTHER] * 2, half("/api/auth/login", 100))
        [late] = await stand.halves([WHMCS], half("/api/auth/login", len(LOGIN), LOGIN[:5]))
        status, headers, body = await greedy[0].answer()
        assert (status, msgspec.json.decode(body)["code"], headers["retry-after"]) == (503, "server_busy", "2")
        assert await stand.log_in(WHMCS) == 401, "one more of them made room"
        late.send(LOGIN[5:])
        assert (await late.answer())[0] == 401
        assert all(not each.reader._buffer for each in (*greedy[2:], *modest))  # type: ignore[attr-defined]


async def test_when_bodies_are_too_large_together_those_of_the_largest_sender_are_dropped(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(request_bodies, "MOST_BYTES", 500_000)
    monkeypatch.setattr(request_bodies, "MOST_BYTES_EACH", 400_000)
    async with standing(settings) as stand:
        small, large = await stand.halves([STRANGER] * 2, half("/api/auth/login", 262_144, b"x" * 60_000))
        large.send(b"x" * 180_000)
        [other] = await stand.halves([ANOTHER], half("/api/auth/login", 262_144, b"x" * 150_000))
        [more] = await stand.halves([WHMCS], half("/api/auth/login", 262_144, b"x" * 130_000))
        assert (await large.answer())[0] == 503
        [again] = await stand.halves([STRANGER], half("/api/auth/login", 262_144, b"x" * 100_000))
        again.send(b"x" * 162_000)
        await asyncio.sleep(0.2)
        small.send(b"x" * 200_000)
        assert 503 in {(await each.answer())[0] for each in (small,)}, "an address has no more than its share"
        assert stand.bodies._bytes.used <= 500_000
        assert not other.reader._buffer  # type: ignore[attr-defined]
        assert not more.reader._buffer  # type: ignore[attr-defined]


async def test_an_address_has_no_more_than_its_share_of_what_is_kept_of_bodies(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(request_bodies, "MOST_BYTES_EACH", 300_000)
    async with standing(settings) as stand:
        [first] = await stand.halves([STRANGER], half("/api/auth/login", 262_144, b"x" * 200_000))
        second, other = await stand.halves([STRANGER, ANOTHER], half("/api/auth/login", 262_144, b"x" * 150_000))
        status, _, body = await second.answer()
        assert (status, msgspec.json.decode(body)["code"]) == (503, "server_busy")
        assert stand.bodies._bytes.held(STRANGER) == 200_000
        assert stand.bodies._bytes.held(ANOTHER) == 150_000
        assert not first.reader._buffer  # type: ignore[attr-defined]
        assert not other.reader._buffer  # type: ignore[attr-defined]


@pytest.mark.parametrize("chunked", [False, True])
async def test_a_body_larger_than_any_is_refused(settings: Settings, chunked: bool) -> None:
    async with standing(settings) as stand:

        async def pieces() -> AsyncIterator[bytes]:
            for _ in range(30):
                yield b"x" * 10_000

        content: Any = pieces() if chunked else b"x" * 300_000
        for path in ("/api/auth/login", "/webhooks/whmcs", "/api/cases/5/attachments"):
            headers = {"content-type": "application/json"}
            found = await stand.ask(STRANGER, "POST", path, content=content, headers=headers)
            expected = (401, "not_authenticated") if "attachments" in path else (413, "body_too_large")
            assert (found.status_code, found.json()["code"]) == expected
            content = pieces() if chunked else content


@pytest.mark.parametrize(
    ("head", "status"),
    [
        (f"Content-Length: {len(LOGIN)}", 401),
        ("Transfer-Encoding: chunked", 401),
        (f"Content-Length: {'0' * 5_000}{len(LOGIN)}", 400),
    ],
    ids=["counted", "in chunks", "with an absurd size"],
)
async def test_a_body_in_the_smallest_pieces_is_a_body(settings: Settings, head: str, status: int) -> None:
    async with standing(settings) as stand:
        wire = await stand.wire(STRANGER)
        wire.send(
            f"POST /api/auth/login HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n{head}\r\n\r\n".encode()
        )
        for byte in LOGIN:
            wire.send(b"1\r\n%c\r\n" % byte if "chunked" in head else bytes([byte]))
            await asyncio.sleep(0.001)
        wire.send(b"0\r\n\r\n" if "chunked" in head else b"")
        assert (await wire.answer())[0] == status


async def session_of(pool: asyncpg.Pool, settings: Settings, name: str) -> dict[str, str]:
    customer = {
        **dict.fromkeys(("first_name",), name),
        **{"email": f"{name}@example.jp", "whmcs_client_id": f"c-{name}", "customer_number": f"n-{name}"},
        "salesforce_account_id": f"a-{name}",
    }
    user_id, _ = await add_account(pool, customer)
    opened = await open_session(pool, settings, user_id, "", "")
    return {"authorization": f"Bearer {opened.token}"}


async def test_files_are_received_from_customers_only(settings: Settings, pool: asyncpg.Pool) -> None:
    """A stranger is refused before a byte of the file is taken; a customer's file counts to the account."""
    path = "/api/cases/5/attachments"
    async with standing(settings) as stand:
        for headers in ({}, {"Authorization": "Bearer wrong"}, {"Cookie": "portal_session=wrong"}):
            [stranger] = await stand.halves([STRANGER], half(path, 5_000_000, b"", **headers))
            status, _, body = await stranger.answer()
            assert (status, msgspec.json.decode(body)["code"]) == (401, "not_authenticated")
        hana = await session_of(pool, settings, "hana")
        [known] = await stand.halves([STRANGER], half(path, 5_000_000, b"x" * 1_000_000, **hana))
        account = str(await pool.fetchval("SELECT account_id FROM portal.id_mappings"))
        assert stand.bodies._bytes.held(account) == 1_000_000
        assert stand.bodies._bytes.held(STRANGER) == 0
        assert not known.reader._buffer  # type: ignore[attr-defined]
        [endless] = await stand.halves([STRANGER], half(path, LARGEST_BODY_BYTES + 1, b"", **hana))
        assert (await endless.answer())[0] == 413


async def test_a_client_that_leaves_in_the_middle_of_a_body_frees_its_place(settings: Settings) -> None:
    async with standing(settings) as stand:
        for wire in await stand.halves([STRANGER] * 20, half("/api/auth/login", 100_000, b"x" * 50_000)):
            wire.writer.transport.abort()
        await stand.settled()


@asynccontextmanager
async def hanging(pool: asyncpg.Pool) -> AsyncIterator[None]:
    """Reads of an account hang for as long as the block runs."""
    async with pool.acquire() as connection, connection.transaction():
        await connection.execute("LOCK TABLE read_model.freshness IN ACCESS EXCLUSIVE MODE")
        yield


async def test_one_account_cannot_take_every_place(settings: Settings, pool: asyncpg.Pool) -> None:
    hana, ken = await session_of(pool, settings, "hana"), await session_of(pool, settings, "ken")
    async with standing(settings, requests_at_once=12, read_deadline_seconds=60.0) as stand:
        async with hanging(pool):
            ask = [stand.ask(STRANGER, "GET", "/api/invoices", headers=hana | ORDINARY) for _ in range(14)]
            asked = [asyncio.create_task(each) for each in ask]
            async with asyncio.timeout(30):
                while sum(each.done() for each in asked) < 6:
                    await asyncio.sleep(0.02)
                refused = [each.result() for each in asked if each.done()]
                # Until a busy process has found out whose they are, the others count to the address.
                while (mine := await stand.ask(STRANGER, "GET", "/api/auth/me", headers=ken)).status_code == 429:
                    await asyncio.sleep(0.02)
            stranger = await stand.log_in(STRANGER)
            assert sum(each.done() for each in asked) == 6
        await asyncio.gather(*asked)
    assert Counter(each.status_code for each in refused) == {429: 6}
    assert {each.json()["code"] for each in refused} == {"too_many_at_once"}
    assert {each.headers["retry-after"] for each in refused} == {"2"}
    assert (mine.status_code, stranger) == (200, 401), "others at the same address are not held up"


async def test_one_address_cannot_take_every_place(settings: Settings, pool: asyncpg.Pool) -> None:
    async with standing(settings, requests_at_once=12, trusted_proxies="127.0.0.1") as stand:
        async with pool.acquire() as connection, connection.transaction():
            await connection.execute("LOCK TABLE portal.users IN ACCESS EXCLUSIVE MODE")

            async def log_in(address: str) -> httpx.Response:
                headers = {"content-type": "application/json", "x-forwarded-for": address}
                return await stand.ask("127.0.0.1", "POST", "/api/auth/login", content=LOGIN, headers=headers)

            asked = [asyncio.create_task(log_in(f"2001:db8:1:1::{number:x}")) for number in range(12)]
            async with asyncio.timeout(30):
                while sum(each.done() for each in asked) < 4:
                    await asyncio.sleep(0.02)
            refused = [each.result().json()["code"] for each in asked if each.done()]
            free = await stand.ask("127.0.0.1", "GET", "/api/public/services/none")
        another = await log_in("198.51.100.1")
        await asyncio.gather(*asked)
    assert refused == ["too_many_at_once"] * 4
    assert (free.status_code, another.status_code) == (404, 401)


async def test_one_address_cannot_take_every_connection(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.processes.api.SPARE", 20)
    few = {"event_streams": 20, "requests_at_once": 20}
    async with standing(settings, **few) as stand:
        wires = [await stand.wire(STRANGER) for _ in range(8)]
        refused = await stand.wire(STRANGER)
        assert_refused(await refused.answer(), 503, "server_busy")
        assert await refused.ended()
        assert await stand.log_in(ANOTHER) == 401
        wires[0].writer.close()
        await asyncio.sleep(0.1)
        again = await stand.wire(STRANGER)
        again.send(HEALTH)
        assert (await again.answer())[0] == 200
    async with standing(settings, **few, trusted_proxies=STRANGER) as stand:
        for _ in range(30):
            proxied = await stand.wire(STRANGER)
            proxied.send(HEALTH)
            assert (await proxied.answer())[0] == 200
