"""Who may come in. Deny by default: a route is open only when it is named here, everything else needs a session.

Also refused at the door: unknown query parameters, and unsafe methods by cookie without the CSRF token.
"""

import hashlib
import hmac
from typing import Any

from litestar.connection import ASGIConnection
from litestar.handlers.base import BaseRouteHandler

from app.commands import sessions
from app.commands.context import Actor, Context
from app.errors import InvalidRequest, NotAllowed, NotAuthenticated, Violation
from app.http.addresses import client_address
from app.settings import Settings

OPEN = (
    "/api/public/",
    "/api/auth/customer-number/check",
    "/api/auth/signup",
    "/api/auth/login",
    "/api/health/",
    "/webhooks/",
    "/metrics",
    "/schema",
)
"""Routes without a session. Those under /api/public never even look at one, so that their bytes are everybody's."""
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
COOKIE = "portal_session"
CSRF_HEADER = "x-csrf-token"

Connection = ASGIConnection[Any, Any, Any, Any]


async def refuse_unknown_parameters(connection: Connection, handler: BaseRouteHandler) -> None:
    """A mistyped filter must not silently give the unfiltered list."""
    known = {
        parameter.alias if (parameter := field.kwarg_definition) and getattr(parameter, "query", None) else name
        for name, field in handler.parsed_fn_signature.parameters.items()
    }
    unknown = sorted(set(connection.query_params) - known)
    if unknown:
        problems = [Violation(name, "unknown_parameter", "There is no such query parameter.") for name in unknown]
        raise InvalidRequest("The request names an unknown query parameter.", code="unknown_parameter", errors=problems)


async def require_session(connection: Connection, handler: BaseRouteHandler) -> None:
    """Let in who has a session, and put who it is where `actor` finds it."""
    context: Context = connection.app.state.context
    address = client_address(connection, context.settings)
    request_id: str = connection.scope.get("request_id", "")  # type: ignore[call-overload]
    if any(connection.scope["path"].startswith(prefix) for prefix in OPEN):
        connection.state.actor = Actor(request_id=request_id, address=address)
        return
    token, by_cookie = _token(connection)
    actor = await sessions.find(context.pool, context.settings, token, request_id, address) if token else None
    if actor is None:
        raise NotAuthenticated
    if by_cookie and connection.scope["method"] not in SAFE_METHODS:  # type: ignore[typeddict-item]
        _require_csrf(context.settings, actor, connection.headers.get(CSRF_HEADER, ""))
    connection.state.actor = actor


def _token(connection: Connection) -> tuple[str, bool]:
    header = connection.headers.get("authorization", "")
    if header.lower().startswith("bearer "):
        return header[7:].strip(), False
    return connection.cookies.get(COOKIE, ""), True


def csrf_token(settings: Settings, session_id: object) -> str:
    """Proof that the caller can read what we answered, which another site cannot."""
    return hmac.new(settings.portal_secret.encode(), f"csrf:{session_id}".encode(), hashlib.sha256).hexdigest()


def _require_csrf(settings: Settings, actor: Actor, given: str) -> None:
    if not hmac.compare_digest(given, csrf_token(settings, actor.session_id)):
        raise NotAllowed("The X-CSRF-Token header is missing or wrong.", code="csrf_token_invalid")
