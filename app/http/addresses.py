"""Where a request comes from."""

from typing import Any

from litestar.connection import ASGIConnection

from app.settings import Settings


def client_address(connection: ASGIConnection[Any, Any, Any, Any], settings: Settings) -> str:
    """The caller's address; a forwarded one is believed only when a trusted proxy says so."""
    peer = connection.client.host if connection.client else ""
    trusted = {address.strip() for address in settings.trusted_proxies.split(",") if address.strip()}
    if peer not in trusted:
        return peer
    hops = [hop.strip() for hop in connection.headers.get("x-forwarded-for", "").split(",") if hop.strip()]
    return next((hop for hop in reversed(hops) if hop not in trusted), peer)
