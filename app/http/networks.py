"""Networks that may reach the operators' routes, send webhooks and read measures, where the company names any."""

from functools import lru_cache
from ipaddress import ip_address, ip_network
from typing import Any

from litestar.connection import ASGIConnection
from litestar.handlers.base import BaseRouteHandler

from app.commands.context import Context
from app.errors import NotAllowed
from app.http.addresses import client_address
from app.settings import Settings, SettingsError

INTERNAL = ("/metrics", "/api/health/services/")
"""What tells more than a load balancer must know."""


async def refuse_networks(connection: ASGIConnection[Any, Any, Any, Any], handler: BaseRouteHandler) -> None:
    """Refuse callers from elsewhere before anything else is looked at.

    Raises:
        NotAllowed: `network_not_allowed`.
    """
    context: Context = connection.app.state.context
    wanted = _wanted(connection.scope["path"], context.settings)
    if wanted and not _within(client_address(connection, context.settings), wanted):
        raise NotAllowed("This cannot be reached from where you are.", code="network_not_allowed")


def check(settings: Settings) -> None:
    """Refuse networks that cannot be read.

    Raises:
        SettingsError: names the setting.
    """
    for name in ("admin_networks", "internal_networks", "webhook_networks"):
        try:
            _parsed(getattr(settings, name))
        except ValueError as error:
            raise SettingsError(f"{name.upper()} cannot be used: {error}. See .env.example.") from error


def _wanted(path: str, settings: Settings) -> str:
    if path.startswith("/api/admin/"):
        return settings.admin_networks
    if path.startswith(INTERNAL):
        return settings.internal_networks
    return settings.webhook_networks if path.startswith("/webhooks/") else ""


def _within(address: str, networks: str) -> bool:
    try:
        found = ip_address(address)
    except ValueError:
        return False
    return any(found in network for network in _parsed(networks))


@lru_cache(maxsize=8)
def _parsed(networks: str) -> tuple[Any, ...]:
    return tuple(ip_network(each.strip()) for each in networks.split(",") if each.strip())
