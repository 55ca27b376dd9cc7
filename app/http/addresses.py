"""Where a request comes from."""

from typing import Any

from litestar.connection import ASGIConnection

from app.settings import Settings


def client_address(connection: ASGIConnection[Any, Any, Any, Any], settings: Settings) -> str:
    """The caller's address; a forwarded one is believed only when a trusted proxy says so."""
    peer = connection.client.host if connection.client else ""
    return forwarded(peer, connection.headers.get("x-forwarded-for", ""), trusted_proxies(settings))


def trusted_proxies(settings: Settings) -> frozenset[str]:
    """Whose word is believed."""
    return frozenset(address.strip() for address in settings.trusted_proxies.split(",") if address.strip())


def forwarded(peer: str, header: str, trusted: frozenset[str]) -> str:
    """The caller's address, of the connection's other end and an `X-Forwarded-For` header."""
    if peer not in trusted:
        return peer
    hops = [hop.strip() for hop in header.split(",") if hop.strip()]
    return next((hop for hop in reversed(hops) if hop not in trusted), peer)
