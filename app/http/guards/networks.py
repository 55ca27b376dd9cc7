"""Networks that may reach the operators' routes, send webhooks and read measures, where the company names any."""

from typing import Any

from litestar.connection import ASGIConnection
from litestar.handlers.base import BaseRouteHandler

from app.commands.execution.context import Context
from app.errors import NotAllowed
from app.http.guards.client_address import is_within
from app.settings import Settings

INTERNAL = ("/metrics", "/api/health/services/")
"""What tells more than a load balancer must know."""


async def refuse_networks(connection: ASGIConnection[Any, Any, Any, Any], handler: BaseRouteHandler) -> None:
    """Refuse callers from elsewhere before anything else is looked at.

    Raises:
        NotAllowed: `network_not_allowed`.
    """
    context: Context = connection.app.state.context
    wanted = _wanted(connection.scope["path"], context.settings)
    if wanted and not is_within(connection.scope, context.settings, wanted):
        raise NotAllowed("This cannot be reached from where you are.", code="network_not_allowed")


def _wanted(path: str, settings: Settings) -> str:
    if path.startswith("/api/admin/"):
        return settings.admin_networks
    if path.startswith(INTERNAL):
        return settings.internal_networks
    return settings.webhook_networks if path.startswith("/webhooks/") else ""
