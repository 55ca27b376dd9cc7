"""A shared cache in front of the portal, configured as shipped: what it stores, for whom, and for how long.

With nginx installed, nginx itself runs `deploy/nginx/edge.conf`. Everywhere, a small cache after RFC 9111 takes the key
and the headers left out from the same file. Behind both is the real API over real sockets.
"""

import asyncio
import contextlib
import os
import re
import shutil
import ssl
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import msgspec
import pytest
from redis.asyncio import Redis

from app.cli.stack.embedded import free_port
from app.commands.identity.sessions.session_store import open_session
from app.http.answering.session_cookie import COOKIE
from app.settings import Settings
from tests.deploy import test_proxies
from tests.deploy.shared_cache import SharedCache, rules, serving, storable
from tests.deploy.test_process_files import DEPLOY
from tests.deploy.test_proxies import PATH
from tests.fixtures.changes import CLIENT, PRODUCT, change
from tests.fixtures.linked import add_account
from tests.http.real_server import on_server
from tests.integrations.salesforce.certificates import self_signed
from tests.projections.conftest import feed

__all__ = ["feed"]

EDGE = (DEPLOY / "nginx" / "edge.conf").read_text()
SIM = "/api/public/services/sim"
ACCOUNT = "/api/account/services"


class Origin:
    """The API's socket, with the head of every request that reached it."""

    def __init__(self, port: int) -> None:
        self._port = port
        self.asked: list[str] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._open: set[asyncio.StreamWriter] = set()
        self._away = False

    @property
    def paths(self) -> list[str]:
        return [head.split()[1] for head in self.asked]

    async def leave(self) -> None:
        """End every connection, and answer no other."""
        self._away = True
        for writer in self._open:
            writer.transport.abort()

    async def pack(self) -> None:
        """Ask until the answer comes packed: the API packs what is asked for again."""
        async with asyncio.timeout(20), httpx.AsyncClient(base_url=f"http://127.0.0.1:{self._port}") as client:
            while "content-encoding" not in (await client.get(SIM, headers={"accept-encoding": "gzip"})).headers:
                await asyncio.sleep(0.05)

    def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._away:
            writer.transport.abort()
            return
        self._open.add(writer)
        self._tasks.add(task := asyncio.ensure_future(self._serve(reader, writer)))
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        back, forth = await asyncio.open_connection("127.0.0.1", self._port)

        async def requests() -> None:
            with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
                while True:
                    head = await reader.readuntil(b"\r\n\r\n")
                    self.asked.append(head.decode("latin-1").lower())
                    forth.write(head)
                    await forth.drain()
            forth.close()

        async def answers() -> None:
            with contextlib.suppress(ConnectionError):
                while data := await back.read(65_536):
                    writer.write(data)
                    await writer.drain()
            writer.close()

        await asyncio.gather(requests(), answers())


class Edge:
    """A cache in front of the API."""

    def __init__(self, url: str, trust: ssl.SSLContext | None, origin: Origin) -> None:
        self.url, self._trust, self.origin = url, trust, origin

    @asynccontextmanager
    async def client(self, address: str = "127.0.0.5") -> AsyncIterator[httpx.AsyncClient]:
        transport = httpx.AsyncHTTPTransport(local_address=address, verify=self._trust or False)
        async with httpx.AsyncClient(transport=transport, base_url=self.url, timeout=30) as client:
            yield client

    async def get(self, path: str, address: str = "127.0.0.5", **headers: str) -> httpx.Response:
        async with self.client(address) as client:
            return await client.get(path, headers=headers)


def of_nginx(home: Path, both: Path, behind: int) -> tuple[int, list[str]]:
    """The shipped file with other ports and folders: where to reach it, and nginx's arguments."""
    port = free_port()
    conf = EDGE.replace("/etc/portal/certificate.pem", str(both)).replace("listen [::]:443 ssl http2;", "")
    conf = conf.replace("listen 443", f"listen 127.0.0.1:{port}").replace("127.0.0.1:8000", f"127.0.0.1:{behind}")
    conf = conf.replace("/var/cache/nginx/portal", f"{home}/stored")
    temporary = "".join(f"{each}_temp_path {home}/{each};\n" for each in ("proxy", "fastcgi", "uwsgi", "scgi"))
    around = f"client_body_temp_path {home}/body;\n{temporary}access_log off;\n{conf}"
    user = "user root;\n" if os.geteuid() == 0 else ""
    (home / "nginx.conf").write_text(
        f"{user}daemon off;\npid {home}/pid;\nerror_log {home}/error.log;\nevents {{}}\nhttp {{\n{around}\n}}\n"
    )
    return port, ["-p", str(home), "-c", str(home / "nginx.conf")]


@asynccontextmanager
async def nginx_edge(home: Path, origin: Origin, behind: int) -> AsyncIterator[Edge]:
    binary = shutil.which("nginx", path=PATH)
    assert binary is not None, "the fixture skips without it"
    certificate, key = self_signed(home)
    both = home / "both.pem"
    both.write_bytes(certificate.read_bytes() + key.read_bytes())
    port, arguments = of_nginx(home, both, behind)
    process = subprocess.Popen([binary, *arguments], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        async with asyncio.timeout(30):
            while True:
                with contextlib.suppress(OSError):
                    _, writer = await asyncio.open_connection("127.0.0.1", port)
                    writer.close()
                    break
                assert process.poll() is None, (home / "error.log").read_text()
                await asyncio.sleep(0.05)
        yield Edge(f"https://127.0.0.1:{port}", ssl.create_default_context(cafile=str(certificate)), origin)
    finally:
        process.terminate()
        process.wait(10)


@pytest.fixture(params=["nginx", "rfc9111"])
def edge(
    request: Any, tmp_path: Path, settings: Settings, pool: asyncpg.Pool, redis: Redis, catalog: None
) -> Any:  # an asynchronous context manager of settings
    if request.param == "nginx" and shutil.which("nginx", path=PATH) is None:
        pytest.skip("nginx is not installed: `apt-get install nginx` to try what is shipped for it")

    @asynccontextmanager
    async def started(**changes: Any) -> AsyncIterator[Edge]:
        more = {"trusted_proxies": "127.0.0.1", "public_rate_per_minute": 1_000, **changes}
        async with on_server(msgspec.structs.replace(settings, **more)) as (_, port):
            origin = Origin(port)
            server = await asyncio.start_server(origin.accept, "127.0.0.1", 0)
            behind = server.sockets[0].getsockname()[1]
            if request.param == "nginx":
                async with nginx_edge(tmp_path, origin, behind) as found:
                    yield found
            else:
                async with serving(SharedCache(f"http://127.0.0.1:{behind}", rules(EDGE))) as url:
                    yield Edge(url, None, origin)
            server.close()

    return started


@pytest.fixture
async def catalog(pool: asyncpg.Pool, settings: Settings, feed: Any) -> None:
    await pool.execute("INSERT INTO read_model.feeds (feed, as_of) VALUES ($1, now())", settings.salesforce_channel)
    described = {**PRODUCT, "Description": "Data for a month. " * 200}  # long enough to be worth packing
    await feed([change("salesforce", "Product2", "01tA", described), _price(settings, 3_278.0)])


def _price(settings: Settings, amount: float, at: int = 0) -> Any:
    data = {"Product2Id": "01tA", "Pricebook2Id": settings.salesforce_pricebook_id, "IsActive": True}
    return change("salesforce", "PricebookEntry", "01uA", {**data, "UnitPrice": amount}, at=at, parent_id="01tA")


def shown_price(response: httpx.Response) -> str:
    assert response.status_code == 200, response.text
    found: str = response.json()["plans"][0]["price"]["amount"]
    return found


async def sessions(pool: asyncpg.Pool, settings: Settings) -> list[str]:
    """The tokens of two customers."""
    found = []
    for name in ("hana", "kenji"):
        ids = {"whmcs_client_id": f"c-{name}", "salesforce_account_id": f"a-{name}", "customer_number": f"n-{name}"}
        user_id, _ = await add_account(pool, {"email": f"{name}@example.jp", **ids})
        found.append((await open_session(pool, settings, user_id, "", "")).token)
    return found


async def test_cookies_and_authorization_are_not_in_the_key_and_go_no_further(
    edge: Any, pool: asyncpg.Pool, settings: Settings
) -> None:
    hana, kenji = await sessions(pool, settings)
    async with edge() as front:
        first = await front.get(SIM, cookie=f"{COOKIE}={hana}", authorization=f"Bearer {hana}")
        assert shown_price(first) == "3278"
        for headers in (
            {"cookie": f"{COOKIE}={kenji}"},
            {"authorization": f"Bearer {hana}"},
            {"authorization": "Bearer made-up"},
            {},
            *({"cookie": f"visit={number}"} for number in range(20)),
        ):
            again = await front.get(SIM, **headers)
            assert again.content == first.content
            assert "set-cookie" not in again.headers
        assert front.origin.paths == [SIM]
        [head] = front.origin.asked
        assert "cookie:" not in head
        assert "authorization:" not in head


async def test_answers_of_an_account_are_never_stored(
    edge: Any, pool: asyncpg.Pool, settings: Settings, feed: Any
) -> None:
    tokens = await sessions(pool, settings)
    await feed([change("whmcs", "client", f"c-{name}", CLIENT, owner_id=f"c-{name}") for name in ("hana", "kenji")])
    async with edge() as front:
        for token in (*tokens, *tokens):
            mine = await front.get("/api/auth/me", authorization=f"Bearer {token}")
            assert mine.json()["user"]["email"].startswith("hana" if token == tokens[0] else "kenji")
            own = await front.get(ACCOUNT, authorization=f"Bearer {token}")
            assert own.headers["cache-control"] == "private, no-store"
        assert (await front.get(ACCOUNT)).status_code == 401
        assert front.origin.paths.count(ACCOUNT) == 5


async def test_what_goes_wrong_is_not_stored(edge: Any) -> None:
    wrong = {"/api/public/services/none": 404, f"{SIM}?colour=red": 400, f"{SIM}/NO-SUCH": 404}
    async with edge() as front:
        for path, status in wrong.items():
            for _ in range(2):
                found = await front.get(path)
                assert (found.status_code, found.headers["cache-control"]) == (status, "no-store")
        assert [front.origin.paths.count(path.lower()) for path in wrong] == [2, 2, 2]


async def test_a_new_price_shows_within_the_lifetimes_of_the_cache(edge: Any, settings: Settings, feed: Any) -> None:
    async with edge(public_shared_max_age_seconds=2) as front:
        loop = asyncio.get_running_loop()
        assert shown_price(await front.get(SIM)) == "3278"
        await feed([_price(settings, 4_000.0, at=5)])
        changed_at = loop.time()
        assert shown_price(await front.get(SIM)) == "3278", "until then it is old, and nobody was asked"
        assert len(front.origin.asked) == 1
        async with asyncio.timeout(20):
            while shown_price(await front.get(SIM)) != "4000":
                await asyncio.sleep(0.1)
        assert loop.time() - changed_at < 2 + 2 + 2, "fresh, then late, and a margin for a busy machine"


async def test_what_nobody_asked_for_meanwhile_is_not_late_beyond_its_time(
    edge: Any, settings: Settings, feed: Any
) -> None:
    async with edge(public_shared_max_age_seconds=1) as front:
        assert shown_price(await front.get(SIM)) == "3278"
        await feed([_price(settings, 4_000.0, at=5)])
        await asyncio.sleep(3.2)  # fresh for a second, late for another, and nginx counts in whole ones
        assert shown_price(await front.get(SIM)) == "4000"


async def test_an_unchanged_answer_is_confirmed_and_not_sent_again(edge: Any) -> None:
    async with edge(public_shared_max_age_seconds=1) as front:
        first = await front.get(SIM)
        async with asyncio.timeout(20):
            while len(front.origin.asked) < 2:
                await asyncio.sleep(0.2)
                again = await front.get(SIM)
                assert again.json()["plans"] == first.json()["plans"]
        assert f"if-none-match: {first.headers['etag']}" in front.origin.asked[1]


async def test_behind_the_cache_every_caller_has_an_allowance_of_its_own(edge: Any) -> None:
    async with edge(public_rate_per_minute=3) as front:
        greedy = [(await front.get(f"{SIM}/no-{number}", "127.0.0.6")).status_code for number in range(8)]
        other = [(await front.get(f"{SIM}/yes-{number}", "127.0.0.7")).status_code for number in range(2)]
    assert 429 in greedy
    assert other == [404, 404]


async def test_nothing_about_the_request_that_filled_the_cache_is_told_to_others(edge: Any, request: Any) -> None:
    if "nginx" not in request.node.name:
        pytest.skip("what is hidden is nginx's part")
    async with edge() as front:
        await front.get(SIM, "127.0.0.6")
        again = await front.get(SIM, "127.0.0.7")
        assert again.headers["x-cache"] == "HIT"
        assert not {"ratelimit", "ratelimit-policy", "x-request-id"} & set(again.headers)


async def test_odd_requests_neither_multiply_nor_poison_what_is_stored(edge: Any, request: Any) -> None:
    if "nginx" not in request.node.name:
        pytest.skip("the small cache negotiates nothing")
    async with edge(cors_origins="https://www.example.jp") as front, front.client() as client:
        await front.origin.pack()
        assert (await client.head(SIM)).status_code == 200
        held = await client.get(SIM, headers={"if-none-match": '"made-up"', "range": "bytes=0-9"})
        whole = await client.get(SIM)
        assert whole.status_code == 200
        assert len(whole.content) > 100
        assert held.status_code in (200, 206)
        for number in range(20):
            odd = {
                "accept-encoding": f"br;q=0.{number}, gzip, x-{number}",
                "origin": f"https://{number}.example",
                "cache-control": "no-cache",
                "x-forwarded-host": f"{number}.example",
                "x-original-url": "/api/account/services",
            }
            found = await client.get(SIM, headers=odd)
            assert found.json() == whole.json()
            assert "access-control-allow-origin" not in found.headers
        assert whole.headers["content-encoding"] == "gzip"
        plain = await client.get(SIM, headers={"accept-encoding": "gzip;q=0"})
        assert "content-encoding" not in plain.headers
        assert plain.json() == whole.json()
        unchanged = await client.get(SIM, headers={"if-none-match": whole.headers["etag"]})
        assert (unchanged.status_code, unchanged.content) == (304, b"")
        assert (await client.post(SIM)).status_code == 405
        assert (await client.get(SIM)).status_code == 200
        gets = [head for head in front.origin.asked if head.startswith("get ")]
        assert len(gets) <= 2, "one for each coding"


async def test_while_the_portal_is_away_the_stored_catalog_goes_on(edge: Any, request: Any) -> None:
    if "nginx" not in request.node.name:
        pytest.skip("the RFC leaves it to the cache; nginx is told to")
    async with edge(public_shared_max_age_seconds=1) as front:
        first = await front.get(SIM)
        await front.origin.leave()
        await asyncio.sleep(3.2)
        asked = len(front.origin.asked)
        for _ in range(3):
            assert (await front.get(SIM)).json()["plans"] == first.json()["plans"]
        assert len(front.origin.asked) == asked, "nobody answered"


async def test_what_is_for_machines_inside_is_not_shown_to_the_world(edge: Any, request: Any) -> None:
    if "nginx" not in request.node.name:
        pytest.skip("what is hidden is nginx's part")
    async with edge() as front:
        for path in ("/metrics", "/api/health/services/cache"):
            assert (await front.get(path)).status_code == 404
        assert (await front.get("/api/health/live")).status_code == 200
        assert front.origin.paths == ["/api/health/live"]


def test_the_key_of_the_shipped_file_has_all_that_vary_may_name_and_nothing_of_the_caller() -> None:
    found = rules(EDGE)
    assert found.prefix == "/api/public/"
    assert re.findall(r"\$(\w+)", found.key) == [
        *("request_uri", "portal_coding", "portal_origin"),
        "http_portal_version",
    ]
    assert {"cookie", "authorization"} <= found.dropped


async def test_the_public_catalog_varies_by_nothing_else(edge: Any) -> None:
    async with edge(cors_origins="https://www.example.jp") as front:
        for path, more in ((SIM, {}), ("/api/public/services", {"prefer": "wait=0"})):  # from memory, and rendered
            found = await front.get(path, origin="https://www.example.jp", **more)
            named = {each.strip().lower() for each in found.headers["vary"].split(",")}
            assert named == {"accept-encoding", "origin", "portal-version"}


@pytest.mark.parametrize(
    ("status", "cache_control", "more", "expected"),
    [
        (200, "public, max-age=60, s-maxage=300, stale-while-revalidate=300", {}, (300.0, 300.0)),
        (200, "public, max-age=60", {}, (60.0, 0.0)),
        (200, "private, no-store", {}, None),
        (200, "private, no-cache", {}, None),
        (200, "public, max-age=60", {"set-cookie": "a=b"}, None),
        (404, "public, max-age=60", {}, None),
        (200, "max-age=60", {}, None),
    ],
)
def test_the_small_cache_stores_what_the_rfc_lets_it(
    status: int, cache_control: str, more: dict[str, str], expected: tuple[float, float] | None
) -> None:
    response = httpx.Response(status, headers={"cache-control": cache_control, **more})
    assert storable({"authorization": "Bearer x"}, response) == expected


async def test_behind_our_own_proxy_the_caches_word_for_the_caller_counts(tmp_path: Path) -> None:
    """The two lines that the guide adds to `portal.conf`."""
    binary = shutil.which("nginx", path=PATH)
    if binary is None:
        pytest.skip("nginx is not installed: `apt-get install nginx` to try what is shipped for it")
    guide = (DEPLOY.parent / "docs" / "guides" / "cdn.md").read_text()
    [lines] = re.findall(r"```nginx\n(.+?)```", guide, re.S)
    certificate, key = self_signed(tmp_path)
    both, behind = tmp_path / "both.pem", test_proxies.Behind()
    both.write_bytes(certificate.read_bytes() + key.read_bytes())
    server = await asyncio.start_server(behind.serve, "127.0.0.1", 0)
    port, arguments, _ = test_proxies.nginx(tmp_path, both, server.sockets[0].getsockname()[1])
    conf = tmp_path / "nginx.conf"
    conf.write_text(conf.read_text().replace("http {\n", "http {\n" + lines.replace("192.0.2.0/24", "127.0.0.5/32")))
    process = subprocess.Popen([binary, *arguments], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    front = test_proxies.Front(port, ssl.create_default_context(cafile=str(certificate)), behind)
    try:
        await test_proxies._until_it_answers(front)
        for address, seen in (("127.0.0.5", "198.51.100.1"), ("127.0.0.6", "127.0.0.6")):
            async with front.client(address) as client:
                await client.get("/api/public/services", headers={"X-Forwarded-For": "198.51.100.1"})
            assert re.findall(r"x-forwarded-for: (.*)\r", behind.asked[-1]) == [seen]
    finally:
        process.terminate()
        process.wait(10)
        server.close()
