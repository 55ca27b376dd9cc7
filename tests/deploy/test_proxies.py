"""The proxies as shipped: whom the API takes for the caller behind them, and what never gets past them."""

import asyncio
import contextlib
import os
import re
import shutil
import ssl
import subprocess
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
from msgspec.structs import replace

from app.cli.stack.embedded import free_port
from app.http.guards.client_address import client_address
from app.settings import Settings
from tests.deploy.test_process_files import COMPOSE, DEPLOY
from tests.integrations.salesforce.certificates import self_signed

HAPROXY = (DEPLOY / "compose" / "haproxy.cfg").read_text()
NGINX = (DEPLOY / "nginx" / "portal.conf").read_text()
PATH = f"{os.environ['PATH']}:/usr/sbin:/usr/local/sbin"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


def caller(settings: Settings, trusted: str, peer: str, forwarded: str) -> str:
    scope = {"client": (peer, 4711), "headers": [(b"x-forwarded-for", forwarded.encode())]}
    return client_address(scope, replace(settings, trusted_proxies=trusted))


def test_behind_the_proxy_of_compose_customers_are_distinguished(settings: Settings) -> None:
    trusted = COMPOSE["services"]["api-a"]["environment"]["TRUSTED_PROXIES"]
    [subnet] = [each["subnet"] for each in COMPOSE["networks"]["default"]["ipam"]["config"]]
    for peer in list(ip_network(subnet).hosts())[::50]:
        assert caller(settings, trusted, str(peer), "198.51.100.7") == "198.51.100.7"
        assert caller(settings, trusted, f"::ffff:{peer}", "2001:db8::7") == "2001:db8::7"
    assert caller(settings, trusted, "203.0.113.9", "198.51.100.7") == "203.0.113.9", (
        "past the proxy nobody is believed"
    )


def test_behind_nginx_customers_are_distinguished(settings: Settings) -> None:
    [trusted] = re.findall(r"TRUSTED_PROXIES=(\S+?)\.\s", NGINX)
    for peer in ("127.0.0.1", "::1"):
        assert caller(settings, trusted, peer, "198.51.100.7") == "198.51.100.7"
    assert caller(settings, trusted, "203.0.113.9", "198.51.100.7") == "203.0.113.9"


def test_both_proxies_forward_the_address_they_see_and_not_the_one_they_were_sent() -> None:
    assert re.findall(r"X-Forwarded-For (.+)$", HAPROXY, re.M) == ["%[src]"]
    assert re.findall(r"X-Forwarded-For (.+);$", NGINX, re.M) == ["$remote_addr"]


def test_both_proxies_keep_half_requests_and_greedy_sources_to_themselves() -> None:
    for line in (
        "option http-buffer-request",
        "timeout http-request 10s",
        "tcp-request connection track-sc0 src,ipmask(32,64) table connections",
        "http-request track-sc1 src,ipmask(32,64) table requests unless { path_beg /webhooks/ }",
    ):
        assert re.search(rf"^\s+{re.escape(line)}$", HAPROXY, re.M), line
    assert re.findall(r"sc_(\w+\(\d\)) gt (\d+)", HAPROXY) == [("conn_cur(0)", "200"), ("http_req_rate(1)", "1000")]
    for line in ("proxy_request_buffering on;", "client_body_timeout 10s;", "limit_conn portal_connections 200;"):
        assert re.search(rf"^\s+{re.escape(line)}$", NGINX, re.M), line


class Behind:
    """A server behind a proxy: it answers 200 and records the heads of its requests."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
                if "/api/health/ready" not in head:
                    self.asked.append(head)
                size = re.search(r"content-length: (\d+)", head)
                await reader.readexactly(int(size[1]) if size else 0)
                writer.write(OK)
                await writer.drain()
        writer.close()


class Front:
    """A proxy as shipped, but for limits that are a tenth of it, or less, and what stands behind it."""

    def __init__(self, port: int, trust: ssl.SSLContext, behind: Behind) -> None:
        self.port, self.trust, self.behind = port, trust, behind
        self.url = f"https://127.0.0.1:{port}"

    @asynccontextmanager
    async def client(self, address: str) -> AsyncIterator[httpx.AsyncClient]:
        transport = httpx.AsyncHTTPTransport(local_address=address, verify=self.trust)
        async with httpx.AsyncClient(transport=transport, base_url=self.url, timeout=30) as client:
            yield client

    async def wire(self, address: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection("127.0.0.1", self.port, ssl=self.trust, local_addr=(address, 0))


def haproxy(home: Path, both: Path, behind: int) -> tuple[int, list[str], dict[str, str]]:
    port = free_port()
    told = {"PROXY_ADDRESS": f"127.0.0.1:{port}", "PROXY_CERTIFICATE": str(both)}
    told |= dict.fromkeys(("API_A", "API_B"), f"127.0.0.1:{behind}")
    (home / "haproxy.cfg").write_text(HAPROXY.replace(" gt 1000 ", " gt 100 ").replace(" gt 200 ", " gt 20 "))
    return port, ["-db", "-f", str(home / "haproxy.cfg")], told


def nginx(home: Path, both: Path, behind: int) -> tuple[int, list[str], dict[str, str]]:
    port = free_port()
    conf = NGINX.replace("/etc/portal/certificate.pem", str(both)).replace("listen [::]:443 ssl http2;", "")
    conf = conf.replace("listen 443", f"listen 127.0.0.1:{port}")
    conf = re.sub(r"127\.0\.0\.1:800\d", f"127.0.0.1:{behind}", conf)
    conf = conf.replace("rate=100r/s", "rate=1r/s").replace("burst=1000", "burst=100")
    conf = conf.replace("portal_connections 200", "portal_connections 20")
    temporary = "".join(f"{each}_temp_path {home}/{each};\n" for each in ("proxy", "fastcgi", "uwsgi", "scgi"))
    around = f"client_body_temp_path {home}/body;\n{temporary}access_log off;\n{conf}"
    text = f"daemon off;\npid {home}/pid;\nerror_log {home}/error.log;\nevents {{}}\nhttp {{\n{around}\n}}\n"
    (home / "nginx.conf").write_text(text)
    return port, ["-p", str(home), "-c", str(home / "nginx.conf")], {}


@pytest.fixture(params=["haproxy", "nginx"])
async def front(request: Any, tmp_path: Path) -> AsyncIterator[Front]:
    binary = shutil.which(request.param, path=PATH)
    if binary is None:
        pytest.skip(
            f"{request.param} is not installed: `apt-get install {request.param}` to try what is shipped for it"
        )
    certificate, key = self_signed(tmp_path)
    both, behind = tmp_path / "both.pem", Behind()
    both.write_bytes(certificate.read_bytes() + key.read_bytes())
    server = await asyncio.start_server(behind.serve, "127.0.0.1", 0)
    prepare = {"haproxy": haproxy, "nginx": nginx}[request.param]
    port, arguments, told = prepare(tmp_path, both, server.sockets[0].getsockname()[1])
    process = subprocess.Popen(
        [binary, *arguments], env=os.environ | told, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    found = Front(port, ssl.create_default_context(cafile=str(certificate)), behind)
    try:
        await _until_it_answers(found)
        yield found
    finally:
        process.terminate()
        process.wait(10)
        server.close()
        await asyncio.sleep(0.1)


async def _until_it_answers(front: Front) -> None:
    async with asyncio.timeout(30), front.client("127.0.0.99") as client:
        while True:
            with contextlib.suppress(httpx.HTTPError):
                if (await client.get("/api/public/services")).status_code == 200:
                    front.behind.asked.clear()
                    return
            await asyncio.sleep(0.1)


async def test_an_address_header_from_a_caller_is_replaced(front: Front) -> None:
    async with front.client("127.0.0.5") as client:
        lines = [("X-Forwarded-For", "198.51.100.1"), ("X-Forwarded-For", "10.0.0.1, evil")]
        assert (await client.get("/api/public/services", headers=lines)).status_code == 200
    assert re.findall(r"x-forwarded-for: (.*)\r", front.behind.asked[0]) == ["127.0.0.5"]


async def test_half_of_a_body_never_reaches_the_api(front: Front) -> None:
    reader, writer = await front.wire("127.0.0.5")
    writer.write(b"POST /webhooks/whmcs HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 10\r\n\r\n12345")
    await asyncio.sleep(0.7)
    assert front.behind.asked == []
    writer.write(b"67890")
    assert (await reader.readuntil(b"\r\n")).split()[1] == b"200"
    assert len(front.behind.asked) == 1
    writer.close()


async def test_one_source_cannot_send_without_end_and_webhooks_are_not_counted(front: Front) -> None:
    async with front.client("127.0.0.6") as client, front.client("127.0.0.7") as other:

        async def get(_: int) -> httpx.Response:
            return await client.get("/api/public/services")

        found: list[httpx.Response] = []
        for start in range(0, 400, 10):
            found += await asyncio.gather(*(get(number) for number in range(start, start + 10)))
            if found[-1].status_code == 429:
                break
        statuses = Counter(each.status_code for each in found)
        assert statuses[200] >= 100
        assert found[-1].status_code == 429
        assert set(statuses) == {200, 429}
        if "problem" in found[-1].headers["content-type"]:  # nginx has a page of its own
            problem = msgspec.json.decode(found[-1].content)
            assert (problem["code"], problem["status"], found[-1].headers["retry-after"]) == ("rate_limited", 429, "10")
        assert (await client.post("/webhooks/whmcs", content=b"{}")).status_code == 200
        assert (await other.get("/api/public/services")).status_code == 200


async def test_one_source_cannot_take_every_connection(front: Front) -> None:
    async def ask(address: str) -> bool:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            async with asyncio.timeout(10):
                reader, writer = await front.wire(address)
                kept.append(writer)
                # nginx counts a connection from its first head until its answer, so the body stays away
                writer.write(b"POST /api/x HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 9\r\n\r\n1234")
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(0.5):
                        return b" 429 " not in await reader.readuntil(b"\r\n")
                return True
        return False

    kept: list[asyncio.StreamWriter] = []
    found = [sum(await asyncio.gather(*(ask("127.0.0.8") for _ in range(10)))) for _ in range(4)]
    assert found[:2] == [10, 10]
    assert sum(found) in (20, 21), "HAProxy lets one in that it counts afterwards"
    assert await ask("127.0.0.9")
    for writer in kept:
        writer.transport.abort()
