"""The caller's identity, and its right to call a route under the route's policy.

Also refused here: unknown query parameters, bodies that are not JSON, and unsafe methods by cookie without the
CSRF token.
"""

from litestar.handlers.base import BaseRouteHandler

from app.commands.execution import execute
from app.commands.execution.context import Actor, Context
from app.commands.identity.sessions import session_store
from app.errors import InvalidRequest, NotAllowed, NotAuthenticated, Violation
from app.http.answering.declared_parameters import parameters_of
from app.http.answering.handler_types import AnyConnection, context_of
from app.http.answering.problems import UnsupportedMediaType
from app.http.answering.session_cookie import cookie_name
from app.http.fast.layers import FastLayers
from app.http.guards.client_address import client_address
from app.http.policies.policy import CUSTOMER, Policy, policy_of
from app.settings import Settings
from app.words.languages import preferred
from app.words.sentence import say

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
CSRF_HEADER = "x-csrf-token"


async def identify(connection: AnyConnection, handler: BaseRouteHandler) -> None:
    """Resolve the session to an actor and keep it in the connection's state; anonymous on open routes and without a
    valid session."""
    context = context_of(connection)
    address = client_address(connection.scope, context.settings)
    request_id = str(connection.scope.get("request_id", ""))
    token, by_cookie = ("", False) if policy_of(handler).is_open else token_of(connection, context.settings)
    actor = None
    if token:
        layers: FastLayers = connection.app.state.layers
        pool, touches = layers.store.pool, layers.touches
        actor = await session_store.find(pool, context.settings, token, request_id, address, touches)
    language = preferred(", ".join(connection.headers.getall("accept-language", [])))
    connection.state.actor = actor or Actor(request_id=request_id, address=address, language=language)
    connection.state.by_cookie = by_cookie


async def require_right(connection: AnyConnection, handler: BaseRouteHandler) -> None:
    """Admit the roles that the policy of the route names, and audit every access to staff routes.

    Raises:
        NotAuthenticated: no session, or one that has ended.
        NotAllowed: `not_allowed`, `customer_session_required`, `second_factor_required`, `csrf_token_invalid`.
    """
    policy, actor = policy_of(handler), connection.state.actor
    if policy.is_open or connection.scope.get("method") == "OPTIONS":
        return
    if actor.session_id is None:
        raise NotAuthenticated
    context = context_of(connection)
    if connection.state.by_cookie and connection.scope.get("method") not in SAFE_METHODS:
        _require_csrf(context.settings, actor, connection.headers.get(CSRF_HEADER, ""))
    await _require_role(context, policy, actor, connection)


async def _require_role(context: Context, policy: Policy, actor: Actor, connection: AnyConnection) -> None:
    roles = policy.roles or frozenset()
    allowed = actor.role in roles
    if policy.is_staff_only:
        outcome = "ok" if allowed and actor.mfa else "refused"
        target = f"{connection.scope.get('method', '')} {connection.scope['path']}"
        await execute.record(context.pool, actor, "staff_access", outcome, target=target)
    if not allowed and roles <= CUSTOMER and actor.role != "customer":
        raise NotAllowed(say("problems.customer_session_required"), code="customer_session_required")
    if not allowed:
        raise NotAllowed
    if actor.role != "customer" and policy.second_factor and not actor.mfa:
        raise NotAllowed(say("problems.second_factor_required"), code="second_factor_required")


async def require_json(connection: AnyConnection, handler: BaseRouteHandler) -> None:
    """Refuse bodies that are not declared as JSON. A webhook is judged by its signature instead."""
    length = connection.headers.get("content-length", "").strip("0")
    has_body = length != "" or "transfer-encoding" in connection.headers
    kind = connection.headers.get("content-type", "").partition(";")[0].strip().lower()
    coding = connection.headers.get("content-encoding", "").strip().lower()
    if has_body and coding not in ("", "identity"):
        raise UnsupportedMediaType(say("problems.content_coding_unknown"))
    if has_body and connection.scope["path"].startswith("/api/") and kind != "application/json":
        raise UnsupportedMediaType


async def refuse_odd_parameters(connection: AnyConnection, handler: BaseRouteHandler) -> None:
    """Refuse unknown and repeated query parameters: a mistyped filter must not silently give the unfiltered list, and
    of two values neither is right."""
    known = parameters_of(handler)
    unknown = sorted(set(connection.query_params) - (set(known) - set(connection.path_params)))
    if unknown:
        problems = [Violation(name, "unknown_parameter", say("fields.unknown_parameter")) for name in unknown]
        raise InvalidRequest(say("problems.unknown_parameter"), code="unknown_parameter", errors=problems)
    given = connection.query_params
    repeated = [name for name in given if len(given.getall(name)) > 1 and not known[name].is_non_string_sequence]
    if repeated:
        problems = [Violation(name, "repeated_parameter", say("fields.once")) for name in sorted(set(repeated))]
        raise InvalidRequest(say("problems.repeated_parameter"), code="repeated_parameter", errors=problems)


def token_of(connection: AnyConnection, settings: Settings) -> tuple[str, bool]:
    """Return the session's token, and whether it came in a cookie."""
    header = connection.headers.get("authorization", "")
    if header.lower().startswith("bearer "):
        return header[7:].strip(), False
    return connection.cookies.get(cookie_name(settings), ""), True


def csrf_token(settings: Settings, session_id: object) -> str:
    """Derive the CSRF token of a session. It proves that the caller can read our answers, which another site cannot."""
    return settings.keyring.mac(_csrf_message(session_id)).hex()


def _csrf_message(session_id: object) -> bytes:
    return f"csrf:{session_id}".encode()


def _require_csrf(settings: Settings, actor: Actor, given: str) -> None:
    try:
        mac = bytes.fromhex(given)
    except ValueError:
        mac = b""
    if not settings.keyring.signed(_csrf_message(actor.session_id), mac):
        raise NotAllowed(say("problems.csrf_token_invalid"), code="csrf_token_invalid")
