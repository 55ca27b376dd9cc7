"""Whatever asks where a request comes from hears the same: ordinary routes, fast path, sessions, audit, networks."""

from typing import Any

import asyncpg
import pytest
from msgspec.structs import replace

from app.http.guards.client_address import client_address
from app.settings import Settings, SettingsError
from tests.http.conftest import PASSWORD
from tests.http.fast.test_path import ORDINARY, hana
from tests.projections.conftest import feed

__all__ = ["feed", "hana"]

PEER = "203.0.113.7"
"""Where the tests' clients connect from (`tests/http/conftest.py`)."""
CALLERS = [
    ([], PEER),
    (["198.51.100.1"], "198.51.100.1"),
    (["evil, 198.51.100.1"], "198.51.100.1"),
    (["evil", "198.51.100.1"], "198.51.100.1"),
    (["198.51.100.1", "203.0.113.9"], "198.51.100.1"),
    (["198.51.100.1:4711"], "198.51.100.1"),
    (["::ffff:198.51.100.1"], "198.51.100.1"),
    (["[2001:db8:1:2::5]:4711"], "2001:db8:1:2::/64"),
    (["2001:db8:1:2::6%eth0"], "2001:db8:1:2::/64"),
    (["198.51.100.1, evil"], PEER),
    (["203.0.113.9"], PEER),
    ([""], PEER),
]
"""`X-Forwarded-For` lines, and as whom the request counts behind the proxies 203.0.113.0/24."""


def asked(settings: Settings, peer: str | None, *lines: str, proxies: str = "") -> str:
    scope = {
        "client": (peer, 4711) if peer else None,
        "headers": [(b"x-forwarded-for", line.encode("latin-1")) for line in lines],
    }
    return client_address(scope, replace(settings, trusted_proxies=proxies))


def test_proxies_are_a_setting(settings: Settings) -> None:
    assert asked(settings, "10.0.0.2", "198.51.100.1") == "10.0.0.2"
    assert asked(settings, "10.0.0.2", "198.51.100.1", proxies=" 10.0.0.1, 10.0.0.2,") == "198.51.100.1"
    assert asked(settings, "10.9.0.2", "198.51.100.1", "10.1.1.1", proxies="10.0.0.0/8") == "198.51.100.1"
    assert asked(settings, "::ffff:10.9.0.2", "198.51.100.1", proxies="10.0.0.0/8") == "198.51.100.1"


def test_who_comes_by_no_network_has_no_address(settings: Settings) -> None:
    assert asked(settings, None, "198.51.100.1", proxies="10.0.0.1") == ""


@pytest.mark.parametrize("name", ["trusted_proxies", "admin_networks", "webhook_networks"])
async def test_networks_that_cannot_be_read_are_named_at_the_start(serve: Any, settings: Settings, name: str) -> None:
    with pytest.raises(SettingsError, match=rf"{name.upper()} cannot be used: .*10\.0\.0\.1/8"):
        async with serve(replace(settings, **{name: "192.0.2.1, 10.0.0.1/8"})):
            pass


@pytest.mark.parametrize(("lines", "counts_as"), CALLERS)
async def test_the_fast_lane_and_the_ordinary_route_count_the_same_caller(
    serve: Any, settings: Settings, hana: dict[str, str], redis: Any, lines: list[str], counts_as: str
) -> None:
    """`hana` fills the catalog; both ways ask for a page of it."""
    await redis.flushdb()
    headers = [("x-forwarded-for", line) for line in lines]
    async with serve(replace(settings, trusted_proxies="203.0.113.0/24", public_rate_per_minute=100)) as api:
        left = []
        for more in ([], list(ORDINARY.items()), [], list(ORDINARY.items())):
            response = await api.get("/api/public/services", headers=headers + more)
            assert response.status_code == 200
            left.append(response.headers["ratelimit"])
        if not any("t=60" in each for each in left):  # else the minute may have turned between two of them
            assert [each.split(";")[1] for each in left] == ["r=99", "r=98", "r=97", "r=96"]
    async with serve(replace(settings, trusted_proxies="203.0.113.0/24", public_rate_per_minute=100)) as api:
        await api.get("/api/public/services/none", headers=headers)
    subjects = {key.rsplit(b":", 1)[0] async for key in redis.scan_iter("portal:rate:public:*")}
    assert subjects == {b"portal:rate:public:" + counts_as.encode()}


@pytest.mark.parametrize("ordinary", [False, True])
async def test_who_moves_about_in_a_network_of_ipv6_has_one_allowance(
    serve: Any, settings: Settings, hana: dict[str, str], redis: Any, ordinary: bool
) -> None:
    await redis.flushdb()
    strict = replace(settings, trusted_proxies=PEER, public_rate_per_minute=3)
    more = ORDINARY if ordinary else {}

    async def statuses(addresses: list[str]) -> set[int]:
        async with serve(strict) as api:
            headers = [{"x-forwarded-for": each} | more for each in addresses]
            return {(await api.get("/api/public/services", headers=each)).status_code for each in headers}

    assert await statuses([f"2001:db8:7:7::{n:x}" for n in range(9)]) == {200, 429}
    assert await statuses([f"2001:db8:8:{n:x}::1" for n in range(9)]) == {200}


async def test_the_lockout_counts_a_network_of_ipv6_as_one_and_the_log_shows_the_address(
    serve: Any, settings: Settings, add_customer: Any, pool: asyncpg.Pool
) -> None:
    await add_customer("hana")
    behind = replace(settings, trusted_proxies=PEER, auth_rate_per_minute=1000)
    wrong = {"email": "hana@example.jp", "password": "wrong wrong wrong"}
    async with serve(behind) as api:

        async def log_in(address: str, **more: str) -> int:
            headers = {"x-forwarded-for": f"1.2.3.4, {address}"}
            status = (await api.post("/api/auth/login", json=wrong | more, headers=headers)).status_code
            api.cookies.clear()
            return status

        assert await log_in("[2001:db8:1:2::aa]:50000", password=PASSWORD) == 200
        assert [await log_in(f"2001:db8:1:2::{n:x}") for n in range(1, 8)] == [401] * 5 + [429] * 2
        assert await log_in("2001:db8:1:3::1") == 401
        assert await log_in("198.51.100.9:1") == 401
    sessions = await pool.fetch("SELECT address FROM portal.sessions")
    assert [row["address"] for row in sessions] == ["2001:db8:1:2::aa"]
    audited = {row["address"] for row in await pool.fetch("SELECT address::text FROM portal.audit")}
    assert {"2001:db8:1:2::aa", "2001:db8:1:2::1", "2001:db8:1:3::1", "198.51.100.9"} <= {
        each.removesuffix("/128").removesuffix("/32") for each in audited
    }


@pytest.mark.parametrize(
    ("forwarded", "status"),
    [
        ("10.1.2.3", 401),
        ("10.1.2.3:50000", 401),
        ("::ffff:10.1.2.3", 401),
        ("[2001:db8::9]:1", 401),
        ("198.51.100.1", 403),
        ("10.1.2.3, 198.51.100.1", 403),
        ("10.1.2.3, nonsense", 403),
        ("nonsense", 403),
    ],
)
async def test_networks_are_asked_about_the_same_address(
    serve: Any, settings: Settings, forwarded: str, status: int
) -> None:
    inside = "10.0.0.0/8, 2001:db8::/32"
    behind = replace(settings, trusted_proxies=PEER, admin_networks=inside, webhook_networks=inside)
    async with serve(behind) as api:
        headers = {"x-forwarded-for": forwarded}
        assert (await api.get("/api/admin/dead-letters", headers=headers)).status_code == status
        assert (await api.post("/webhooks/whmcs", content=b"{}", headers=headers)).status_code == status
