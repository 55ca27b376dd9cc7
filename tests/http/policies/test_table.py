"""Every route declares its policy; an application with a route that has none does not start."""

import importlib
import pkgutil
import re

import pytest
from litestar import Litestar, get
from litestar.handlers import HTTPRouteHandler

import app.http
from app.cli.document import unconfigured
from app.http.app import ROUTES
from app.http.middleware.deadlines import LIVE, UNBOUNDED
from app.http.middleware.request_limits import UNCOUNTED
from app.http.policies.policy import ANYBODY, Policy, declared, policy_of
from app.http.policies.table import require_policies, routes_of


def handlers_in_the_tree() -> dict[str, HTTPRouteHandler]:
    """Every handler of a module under app/http, by module and name."""
    names = [each.name for each in pkgutil.walk_packages(app.http.__path__, "app.http.")]
    modules = [importlib.import_module(name) for name in names]
    return {
        f"{module.__name__}.{name}": value
        for module in modules
        for name, value in vars(module).items()
        if isinstance(value, HTTPRouteHandler)
    }


def test_every_handler_in_the_tree_declares_a_policy() -> None:
    handlers = handlers_in_the_tree()
    assert len(handlers) >= 90
    assert [name for name, handler in handlers.items() if declared(handler) is None] == []


def test_every_handler_in_the_tree_is_a_route() -> None:
    assert [name for name, handler in handlers_in_the_tree().items() if handler not in ROUTES] == []


def test_a_route_without_a_policy_does_not_start() -> None:
    @get("/api/orders-of-others")
    async def forgotten() -> None:
        return None

    @get("/api/declared", policy=Policy(roles=ANYBODY, limit="public"))
    async def kept() -> None:
        return None

    application = Litestar(route_handlers=[forgotten, kept], openapi_config=None)
    with pytest.raises(RuntimeError, match="No policy is declared for GET /api/orders-of-others") as refused:
        require_policies(application)
    assert "/api/declared" not in str(refused.value)


def test_the_options_of_a_path_share_its_policy() -> None:
    built = unconfigured()
    policies = {route.path: route.policy for route in routes_of(built)}
    for route in built.routes:
        for handler in route.route_handlers:  # type: ignore[union-attr]
            if "OPTIONS" in handler.http_methods:
                assert policy_of(handler).roles == policies[route.path_format].roles


def test_a_path_with_an_id_may_answer_404() -> None:
    lacking = [f"{r.method} {r.path}" for r in routes_of(unconfigured()) if "{" in r.path and 404 not in r.statuses]
    assert lacking == ["GET /schema/{path}"]  # outside the document


def test_the_deadline_of_reads_that_ask_an_upstream_is_the_longer_one() -> None:
    for route in routes_of(unconfigured()):
        path = re.sub(r"\{\w+\}", "1", route.path)
        assert bool(LIVE.match(path)) == route.policy.asks_upstream, path


def test_what_the_middleware_knows_of_paths_is_what_the_policies_say() -> None:
    """The middleware runs before a request has a handler, so it goes by paths."""
    for route in routes_of(unconfigured()):
        policy, probe = route.policy, route.policy.limit == "internal" or route.path.startswith("/api/health/")
        stream = route.path == "/api/events"
        assert route.path.startswith(UNBOUNDED) == (probe or stream), route.path
        assert route.path.startswith(UNCOUNTED) == (probe or stream or policy.signed), route.path
        assert route.path.startswith("/webhooks/") == policy.signed, route.path
