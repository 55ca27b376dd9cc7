"""Network addresses of callers: parsing, membership in networks, and the key by which limits count them.

An IPv6 customer owns a whole /64 and can use another address of it for every request, so limits count by that. Sessions
and the audit log keep the full address.
"""

import re
from collections.abc import Sequence
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

IPAddress = IPv4Address | IPv6Address
Networks = tuple[IPv4Network | IPv6Network, ...]

COUNTED_BITS = 64
"""The bits of an IPv6 address that tell customers apart."""
LONGEST_TEXT = 100
_PORT = re.compile(r"(\[[^\[\]]*\]|[\d.]+):\d{1,5}")
"""An address with a port: IPv6 in brackets, or IPv4."""
_MAPPED = ip_network("::ffff:0:0/96")


@lru_cache(maxsize=16)
def networks_of(setting: str) -> Networks:
    """Parse a comma-separated setting of networks; a single address is a network of one.

    Raises:
        ValueError: names the part that cannot be parsed.
    """
    return tuple(_unmapped(ip_network(each.strip())) for each in setting.split(",") if each.strip())


def _unmapped(network: IPv4Network | IPv6Network) -> IPv4Network | IPv6Network:
    if isinstance(network, IPv6Network) and isinstance(_MAPPED, IPv6Network) and network.subnet_of(_MAPPED):
        return IPv4Network((int(network.network_address) & 0xFFFFFFFF, network.prefixlen - 96))
    return network


def parsed(text: str) -> IPAddress | None:
    """Parse an address without port, brackets and zone, IPv4-mapped IPv6 as IPv4; None if it is not an address."""
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
    """Return true if an address, as text, belongs to one of the networks."""
    found = parsed(text)
    return found is not None and any(found in network for network in networks)


def client(peer: str, forwarded: Sequence[str], trusted: Networks, unreadable: str | None = None) -> str:
    """Determine the caller's address from the peer address and all `X-Forwarded-For` lines in order.

    Each proxy appends the address it saw. So they are read from the right, and the address that the last trusted proxy
    saw is the caller's; anything further left can be forged. If that proxy names no address, or only proxies are named,
    the caller is the peer itself, or `unreadable` in place of what is no address.
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
    """Return the key under which limits count an address: an IPv6 address as its /64."""
    if ":" not in address:
        return address
    found = parsed(address)
    if isinstance(found, IPv6Address):
        return str(IPv6Network((int(found), COUNTED_BITS), strict=False))
    return str(found) if found else address
