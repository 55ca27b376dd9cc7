"""Dependencies are resolved one after another, and their parameters are parameters of the route."""

import pytest
from litestar.routes import HTTPRoute

from app.cli.document import unconfigured
from app.http.guards.authentication import _parameters
from app.http.policies.policy import policy_of
from app.http.policies.table import DeclaredRoute, routes_of

STREAM = "/api/events"
"""Opened once and kept for hours."""


def test_no_read_starts_a_task_group_for_its_dependencies() -> None:
    seen = 0
    for route in unconfigured().routes:
        assert isinstance(route, HTTPRoute)
        for handler, model in route.route_handler_map.values():
            if "GET" in handler.http_methods and not policy_of(handler).asks_upstream and route.path != STREAM:
                seen += len(model.dependency_batches)
                assert [len(batch) for batch in model.dependency_batches if len(batch) > 1] == [], route.path
    assert seen > 40


@pytest.fixture(scope="module")
def routes() -> dict[tuple[str, str], DeclaredRoute]:
    return {(route.method, route.path): route for route in routes_of(unconfigured())}


def test_a_list_takes_the_parameters_of_its_page(routes: dict[tuple[str, str], DeclaredRoute]) -> None:
    assert set(_parameters(routes["GET", "/api/invoices"].handler)) == {
        "limit",
        "cursor",
        "status",
        "from",
        "to",
        "sort",
    }
    assert set(_parameters(routes["GET", "/api/cases"].handler)) == {"limit", "cursor", "closed"}


def test_names_of_dependencies_are_no_parameters(routes: dict[tuple[str, str], DeclaredRoute]) -> None:
    for route in routes.values():
        taken = set(_parameters(route.handler)) - {"account_id"}
        assert taken.isdisjoint({"actor", "context", "store", "account", "paging", "cases_source", "request"}), (
            route.path
        )
