"""Addresses of callers: how they are read, which networks they belong to, and as whom they count.

An IPv6 customer is given a whole /64 and may take another address of it for every request, so limits count by that.
Sessions and the audit log keep the address whole.
"""

import re
from collections.abc import Sequence
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

IPAddress = IPv4Address | IPv6Address
Networks = tuple[IPv4Network | IPv6Network, ...]

COUNTED_BITS = 64
"""Of an IPv6 address, those that tell one customer from another."""
LONGEST_TEXT = 100
_PORT = re.compile(r"(\[[^\[\]]*\]|[\d.]+):\d{1,5}")
"""With a port: an IPv6 address in brackets, or an IPv4 address."""
_MAPPED = ip_network("::ffff:0:0/96")


@lru_cache(maxsize=16)
def networks_of(setting: str) -> Networks:
    """The networks of a comma-separated setting; an address alone is a network of one.

    Raises:
        ValueError: names what cannot be read.
    """
    return tuple(_unmapped(ip_network(each.strip())) for each in setting.split(",") if each.strip())


def _unmapped(network: IPv4Network | IPv6Network) -> IPv4Network | IPv6Network:
    if isinstance(network, IPv6Network) and isinstance(_MAPPED, IPv6Network) and network.subnet_of(_MAPPED):
        return IPv4Network((int(network.network_address) & 0xFFFFFFFF, network.prefixlen - 96))
    return network


def parsed(text: str) -> IPAddress | None:
    """The address, without port, brackets and zone, IPv4 mapped into IPv6 as IPv4; None where it is none."""
    return _parsed(text) if len(text) <= LONGEST_TEXT else None


@lru_cache(maxsize=8_192)
def _parsed(text: str) -> IPAddress | None:
    text = text.strip(" \t")
    if with_port := _PORT.fullmatch(text):
        text = with_port[1]
    if text.startswith("[") and text.endswith("]"):
        text = text[1:-1] if ":" in text else ""
    text, zoned, _ = text.partition("%")
    try:
        found = ip_address(text)
    except ValueError:
        return None
    if isinstance(found, IPv4Address):
        return None if zoned else found
    return found.ipv4_mapped or found


def within(text: str, networks: Networks) -> bool:
    """Whether an address, as it is written, belongs to one of the networks."""
    found = parsed(text)
    return found is not None and any(found in network for network in networks)


def client(peer: str, forwarded: Sequence[str], trusted: Networks, unreadable: str | None = None) -> str:
    """The caller's address, of the connection's other end and all `X-Forwarded-For` lines in their order.

    Each proxy appends whom it saw, so they are read from the right, and whoever the last trusted proxy saw is the
    caller. What stands further left anybody may have written. Where that proxy names no address, or names proxies
    alone, the caller is the other end itself, or `unreadable` in place of what is no address.
    """
    itself = parsed(peer)
    shown = str(itself) if itself else peer
    if not (trusted and forwarded) or not within(peer, trusted):
        return shown
    for hop in reversed([hop for hop in ",".join(forwarded).split(",") if hop.strip(" \t")] or [""]):
        found = parsed(hop)
        if found is None:
            return shown if unreadable is None else unreadable
        if not any(found in network for network in trusted):
            return str(found)
    return shown


def counted(address: str) -> str:
    """As whom an address is counted: an IPv6 address as its /64."""
    if ":" not in address:
        return address
    found = parsed(address)
    if isinstance(found, IPv6Address):
        return str(IPv6Network((int(found), COUNTED_BITS), strict=False))
    return str(found) if found else address
