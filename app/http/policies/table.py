"""The table of routes with their policies, and the refusal to start without them."""

from litestar import Litestar
from litestar.handlers import HTTPRouteHandler
from litestar.routes import HTTPRoute
from msgspec import Struct

from app import errors
from app.errors import PortalError
from app.http.answering.problems import (
    HeadersTooLarge,
    OperationRemoved,
    QueryTooLong,
    Unavailable,
    UnsupportedMediaType,
    status_of_kind,
)
from app.http.policies.policy import OPTION, Policy, declared, policy_of

ALWAYS: tuple[type[PortalError], ...] = (
    *(errors.InvalidRequest, QueryTooLong, HeadersTooLarge),
    *(PortalError, Unavailable),
)
"""Problems of every route."""
WITH_SESSION = (errors.NotAuthenticated, errors.NotAllowed)
WITH_SIGNATURE = (errors.NotAuthenticated, errors.Conflict, errors.TooLarge, errors.RuleViolated)
WITH_BODY = (errors.TooLarge, UnsupportedMediaType, errors.RuleViolated)
WITH_EFFECT = (errors.Conflict, errors.UpstreamRejected)
"""Problems of every route that is no read: repetitions at the same time, and refusals of an upstream."""


class DeclaredRoute(Struct, frozen=True):
    """A method of a path with its handler. `path` is the template that the OpenAPI document uses."""

    method: str
    path: str
    handler: HTTPRouteHandler

    @property
    def policy(self) -> Policy:
        """The policy that the handler declares."""
        return policy_of(self.handler)

    @property
    def statuses(self) -> list[int]:
        """The problem statuses that a caller may meet, in order."""
        policy = self.policy
        kinds = [*ALWAYS, *policy.problems]
        kinds += () if policy.is_open else WITH_SESSION
        kinds += WITH_SIGNATURE if policy.signed else ()
        kinds += (errors.RateLimited,) if policy.limit not in ("none", "internal") else ()
        kinds += WITH_BODY if self.handler.parsed_data_field is not None else ()
        kinds += (errors.Outdated,) if self._is_conditional_write else ()
        kinds += (OperationRemoved,) if policy.ending and not policy.ending.fields else ()
        kinds += WITH_EFFECT if self.method != "GET" and not policy.signed else ()
        return sorted({status_of_kind(kind) for kind in kinds})

    @property
    def _is_conditional_write(self) -> bool:
        fields = self.handler.parsed_fn_signature.parameters.values()
        return any(getattr(field.kwarg_definition, "name", None) == "If-Match" for field in fields)


def routes_of(app: Litestar) -> list[DeclaredRoute]:
    """List every route, by path and method; OPTIONS, which the framework answers, is left out."""
    found = [
        DeclaredRoute(method=str(method), path=route.path_format, handler=handler)
        for route in app.routes
        if isinstance(route, HTTPRoute)
        for handler in route.route_handlers
        for method in handler.http_methods
        if method != "OPTIONS"
    ]
    return sorted(found, key=lambda route: (route.path, route.method))


def require_policies(app: Litestar) -> None:
    """Refuse an application that has a route without a policy, and let OPTIONS share the policy of its path.

    Raises:
        RuntimeError: names the routes.
    """
    routes = routes_of(app)
    missing = [f"{route.method} {route.path}" for route in routes if declared(route.handler) is None]
    if missing:
        raise RuntimeError(
            f"No policy is declared for {', '.join(missing)}. "
            "Give the handler's decorator policy=Policy(...), see app/http/policies/policy.py."
        )
    by_path = {route.path: route.policy for route in routes}
    for route in app.routes:
        if isinstance(route, HTTPRoute):
            for handler in route.route_handlers:
                handler.opt.setdefault(OPTION, by_path[route.path_format])
