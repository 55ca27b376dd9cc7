"""A forwarded address counts only when a trusted proxy says so, and only what that proxy itself saw."""

import pytest
from litestar.connection import ASGIConnection
from msgspec.structs import replace

from app.http.addresses import client_address, forwarded, trusted_proxies
from app.settings import Settings

PROXIES = frozenset({"10.0.0.1", "10.0.0.2"})


@pytest.mark.parametrize(
    ("peer", "header", "address"),
    [
        ("203.0.113.7", "", "203.0.113.7"),
        ("203.0.113.7", "198.51.100.1", "203.0.113.7"),
        ("10.0.0.1", "198.51.100.1", "198.51.100.1"),
        ("10.0.0.1", "1.2.3.4, 198.51.100.1", "198.51.100.1"),
        ("10.0.0.1", " 198.51.100.1 , 10.0.0.2 ,", "198.51.100.1"),
        ("10.0.0.1", "", "10.0.0.1"),
        ("10.0.0.1", "10.0.0.2", "10.0.0.1"),
    ],
    ids=["direct", "liar", "proxy", "liar behind a proxy", "two proxies", "proxy itself", "proxies only"],
)
def test_the_last_hop_that_is_no_proxy_of_ours_is_the_caller(peer: str, header: str, address: str) -> None:
    assert forwarded(peer, header, PROXIES) == address


def asked(settings: Settings, peer: str | None, *, proxies: str = "") -> str:
    scope = {
        "type": "http",
        "client": (peer, 4711) if peer else None,
        "headers": [(b"x-forwarded-for", b"198.51.100.1")],
    }
    return client_address(ASGIConnection(scope), replace(settings, trusted_proxies=proxies))  # type: ignore[arg-type]


def test_proxies_are_a_setting(settings: Settings) -> None:
    assert asked(settings, "10.0.0.2") == "10.0.0.2"
    assert asked(settings, "10.0.0.2", proxies=" 10.0.0.1, 10.0.0.2,") == "198.51.100.1"
    assert trusted_proxies(replace(settings, trusted_proxies=" 10.0.0.1, 10.0.0.2,")) == PROXIES


def test_who_comes_by_no_network_has_no_address(settings: Settings) -> None:
    assert asked(settings, None, proxies="10.0.0.1") == ""
