"""Addresses are read in every form that proxies write them in, and nothing else is taken for one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.intake.addresses import LONGEST_TEXT, client, counted, networks_of, parsed, within

PROXIES = networks_of("10.0.0.0/8, 192.0.2.1, 2001:db8:ffff::/48, 172.30.7.0/24")
CALLER = "198.51.100.1"


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("198.51.100.1", "198.51.100.1"),
        (" \t198.51.100.1 ", "198.51.100.1"),
        ("198.51.100.1:4711", "198.51.100.1"),
        ("2001:DB8:0::1", "2001:db8::1"),
        ("[2001:db8::1]", "2001:db8::1"),
        ("[2001:db8::1]:443", "2001:db8::1"),
        ("2001:db8::1:443", "2001:db8::1:443"),
        ("fe80::1%eth0", "fe80::1"),
        ("[fe80::1%25eth0]:443", "fe80::1"),
        ("::ffff:198.51.100.1", "198.51.100.1"),
        ("[::ffff:c633:6401]:80", "198.51.100.1"),
        ("fe80::1%" + "e" * (LONGEST_TEXT - 8), "fe80::1"),
    ],
)
def test_an_address_in_every_form_is_the_same_address(text: str, address: str) -> None:
    assert str(parsed(text)) == address


@pytest.mark.parametrize(
    "text",
    [
        *(
            "",
            " ",
            "unknown",
            "_hidden",
            "localhost",
            "1",
            "1.2.3",
            "1.2.3.4.5",
            "010.1.2.3",
            "256.1.1.1",
            "0x7f000001",
            "X1.2.3.4",
        ),
        *("1.2.3.4:", "1.2.3.4:http", "1.2.3.4:123456", "1.2.3.4%eth0", "[1.2.3.4]", "[1.2.3.4]:80", "1.2.3.4/32"),
        *(
            "[::1",
            "::1]",
            "[[::1]]",
            "[::1]:",
            "[::1]x",
            "::1::",
            "2001:db8::/64",
            '"[::1]:80"',
            "１.2.3.4",
            "for=1.2.3.4",
        ),
        *("1.2.3.4\u00a0", "1.2.3.4\x00", "1.2.3.4\n", "1.2.3.4 5", "x" * (LONGEST_TEXT + 1)),
    ],
)
def test_what_is_no_address_is_none(text: str) -> None:
    assert parsed(text) is None


@pytest.mark.parametrize(
    ("peer", "lines", "address"),
    [
        ("203.0.113.7", [], "203.0.113.7"),
        ("203.0.113.7", [CALLER], "203.0.113.7"),
        ("10.0.0.1", [CALLER], CALLER),
        ("10.255.0.9", ["1.2.3.4, 198.51.100.1"], CALLER),
        ("10.0.0.1", ["1.2.3.4", "198.51.100.1"], CALLER),
        ("10.0.0.1", ["198.51.100.1", "10.0.0.2"], CALLER),
        ("10.0.0.1", ["198.51.100.1, 10.0.0.2", "192.0.2.1:80"], CALLER),
        ("10.0.0.1", [" 198.51.100.1 , 10.0.0.2 ,", ","], CALLER),
        ("10.0.0.1", ["198.51.100.1:50000"], CALLER),
        ("10.0.0.1", ["[::ffff:198.51.100.1]:50000"], CALLER),
        ("::ffff:10.0.0.1", [CALLER], CALLER),
        ("::ffff:203.0.113.7", [CALLER], "203.0.113.7"),
        ("2001:db8:ffff::1%eth0", ["2001:DB8::5"], "2001:db8::5"),
        ("172.30.7.2", ["2001:db8::5, [2001:db8:ffff:1::2]:443"], "2001:db8::5"),
        ("10.0.0.1", ["nonsense, 198.51.100.1"], CALLER),
        ("10.0.0.1", ["198.51.100.1, nonsense"], "10.0.0.1"),
        ("10.0.0.1", ["198.51.100.1, nonsense, 10.0.0.2"], "10.0.0.1"),
        ("10.0.0.1", ["198.51.100.1", "unknown"], "10.0.0.1"),
        ("10.0.0.1", ["198.51.100.1, X"], "10.0.0.1"),
        ("10.0.0.1", ["198.51.100.1 10.0.0.2"], "10.0.0.1"),
        ("10.0.0.1", [""], "10.0.0.1"),
        ("10.0.0.1", ["10.0.0.2, 192.0.2.1"], "10.0.0.1"),
        ("", [CALLER], ""),
        ("unix", [CALLER], "unix"),
    ],
)
def test_the_caller_is_whom_the_last_trusted_proxy_saw(peer: str, lines: list[str], address: str) -> None:
    assert client(peer, lines, PROXIES) == address


def test_nobody_is_believed_where_no_proxy_is_named() -> None:
    assert client("10.0.0.1", [CALLER], networks_of(" , ")) == "10.0.0.1"


@given(st.lists(st.text(max_size=60), max_size=4))
def test_whatever_a_caller_writes_further_left_changes_nothing(written: list[str]) -> None:
    assert client("10.0.0.1", [*written, CALLER], PROXIES) == CALLER
    assert client("10.0.0.1", [",".join([*written, CALLER, "10.0.0.9"])], PROXIES) == CALLER


@given(st.text(max_size=80))
def test_whatever_stands_there_the_caller_is_an_address(written: str) -> None:
    found = client("10.0.0.1", [written], PROXIES)
    assert str(parsed(found)) == found


@pytest.mark.parametrize(
    ("address", "counts_as"),
    [
        ("198.51.100.1", "198.51.100.1"),
        ("2001:db8:1:2::1", "2001:db8:1:2::/64"),
        ("2001:db8:1:2:ffff:ffff:ffff:ffff", "2001:db8:1:2::/64"),
        ("2001:db8:1:3::1", "2001:db8:1:3::/64"),
        ("", ""),
        ("::ffff:198.51.100.1", "198.51.100.1"),
        ("somewhere:else", "somewhere:else"),
    ],
)
def test_an_ipv6_address_counts_as_its_network(address: str, counts_as: str) -> None:
    assert counted(address) == counts_as


@pytest.mark.parametrize(
    "setting", ["everywhere", "10.0.0.1/8", "10.0.0.0/33", "10.0.0.0/8; 10.1.0.0/16", "[::1]", "10.0.0.*"]
)
def test_networks_that_cannot_be_read_are_refused(setting: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        networks_of(setting)


@pytest.mark.parametrize(
    ("address", "setting", "inside"),
    [
        ("10.2.3.4", "10.0.0.0/8", True),
        ("10.2.3.4", "::ffff:10.0.0.0/104", True),
        ("::ffff:10.2.3.4", "10.0.0.0/8", True),
        ("11.2.3.4", "10.0.0.0/8", False),
        ("11.2.3.4", "::ffff:10.0.0.0/104", False),
        ("2001:db8::5", "10.0.0.0/8, 2001:db8::/32", True),
        ("2001:db9::5", "10.0.0.0/8, 2001:db8::/32", False),
        ("", "0.0.0.0/0, ::/0", False),
        ("nonsense", "0.0.0.0/0, ::/0", False),
    ],
)
def test_an_address_is_within_a_network_however_it_is_written(address: str, setting: str, inside: bool) -> None:
    assert within(address, networks_of(setting)) is inside
