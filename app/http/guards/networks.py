"""Restriction of operators' routes, webhooks and metrics to networks, where the settings name any."""

from litestar.handlers.base import BaseRouteHandler

from app.errors import NotAllowed
from app.http.answering.handler_types import AnyConnection, context_of
from app.http.guards.client_address import is_within
from app.http.policies.policy import Network, policy_of
from app.settings import Settings
from app.words.sentence import say


async def refuse_networks(connection: AnyConnection, handler: BaseRouteHandler) -> None:
    """Refuse callers from other networks before any other check.

    Raises:
        NotAllowed: `network_not_allowed`.
    """
    context = context_of(connection)
    wanted = _wanted(policy_of(handler).network, context.settings)
    if wanted and not is_within(connection.scope, context.settings, wanted):
        raise NotAllowed(say("problems.network_not_allowed"), code="network_not_allowed")


def _wanted(network: Network, settings: Settings) -> str:
    named = {
        "admin": settings.admin_networks,
        "internal": settings.internal_networks,
        "webhook": settings.webhook_networks,
    }
    return named.get(network, "")
