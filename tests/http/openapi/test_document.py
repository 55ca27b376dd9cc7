"""The document has everything a caller needs: problems, headers, keys, open routes."""

import json
import re
from functools import cache
from pathlib import Path
from typing import Any

import httpx
import pytest

from app.cli.document import openapi_document, unconfigured
from app.commands.registry import COMMANDS
from app.http.openapi.audiences import AUDIENCES, FILES
from app.http.openapi.parts import operations, resolved
from app.http.policies.table import DeclaredRoute, routes_of
from app.http.reference.serving import PAGES

DOCS = Path(__file__).parents[3] / "docs"
LARGEST_BYTES = 250 * 1024


@cache
def whole() -> dict[str, Any]:
    """The document of all audiences."""
    found: dict[str, Any] = json.loads(openapi_document())
    return found


def test_every_operation_has_a_summary_a_tag_and_its_problems() -> None:
    document = whole()
    assert document["openapi"].startswith("3.1")
    assert len(list(operations(document))) >= 25
    assert set(document["x-headers-of-every-answer"]) == {
        *("X-Request-Id", "RateLimit", "RateLimit-Policy", "Cache-Control", "Portal-Version"),
        *("Account-Version", "Content-Language"),
    }
    for path, method, operation in operations(document):
        where = f"{method} {path}"
        assert operation["summary"], where
        assert operation["tags"], where
        assert operation["description"], where
        for status, reference in operation["responses"].items():
            answer = resolved(document, reference)
            assert answer["description"], (where, status)
            if status >= "400":
                kinds = ["application/problem+json"]
                own = ["application/json", *kinds] if (path, status) == ("/api/health/ready", "503") else kinds
                assert list(answer["content"]) == own, (where, status)
                assert answer["content"]["application/problem+json"]["schema"]["$ref"].endswith("/Problem")


def test_references_lead_somewhere() -> None:
    for audience in AUDIENCES:
        text = openapi_document(audience)
        used = set(re.findall(r'"#/components/(\w+)/([^"]+)"', text))
        assert {kind for kind, _ in used} >= {"schemas", "responses", "headers"}
        parts = json.loads(text)["components"]
        there = {(kind, name) for kind in parts if kind != "securitySchemes" for name in parts[kind]}
        assert used == there, audience


def is_keyed(document: dict[str, Any], route: DeclaredRoute) -> bool:
    """Documented with an Idempotency-Key that must be sent."""
    return any(name == "Idempotency-Key" and wanted["required"] for name, wanted in parameters(document, route).items())


def parameters(document: dict[str, Any], route: DeclaredRoute) -> dict[str, Any]:
    """The parameters of a route by name."""
    operation = document["paths"].get(route.path, {}).get(route.method.lower(), {})
    found = (resolved(document, each) for each in operation.get("parameters", []))
    return {each["name"]: dict(each) for each in found}


def test_the_idempotency_key_is_documented_where_it_is_required() -> None:
    document = whole()
    keyed = {route.policy.command.name for route in routes_of(unconfigured()) if is_keyed(document, route)}
    assert {each.name for each in COMMANDS if each.idempotency_key == "required"} == keyed
    assert "place_order" in keyed
    assert document["paths"]["/api/public/services"]["get"]["security"] == []


def test_an_answer_that_was_not_modified_is_documented_where_a_tag_may_be_sent() -> None:
    document = whole()
    for path, method, operation in operations(document):
        conditional = any(resolved(document, each)["name"] == "If-None-Match" for each in operation["parameters"])
        assert ("304" in operation["responses"]) == conditional, f"{method} {path}"
        assert "content" not in resolved(document, operation["responses"].get("304", {})), f"{method} {path}"


def test_every_operation_has_a_short_name_of_its_own() -> None:
    document = whole()
    names = [operation["operationId"] for _, _, operation in operations(document)]
    assert len(set(names)) == len(names)
    assert [name for name in names if not re.fullmatch(r"[a-z][A-Za-z]{2,31}", name)] == []


async def test_the_document_is_small_enough_to_be_read(api: httpx.AsyncClient) -> None:
    assert len((await api.get("/schema/openapi.json")).content) <= LARGEST_BYTES


def test_every_operation_has_one_audience() -> None:
    parts = [json.loads(openapi_document(audience)) for audience in AUDIENCES]
    found = [operation["operationId"] for part in parts for _, _, operation in operations(part)]
    assert sorted(found) == sorted(operation["operationId"] for _, _, operation in operations(whole()))
    tags = [{operation["tags"][0] for _, _, operation in operations(part)} for part in parts]
    assert (tags[1], tags[2]) == ({"Operators", "Health"}, {"Inbound"})
    assert tags[0] & (tags[1] | tags[2]) == {"Health"}, "liveness and readiness are for everyone"


@pytest.mark.parametrize("audience", AUDIENCES)
async def test_the_document_of_every_audience_is_served_as_it_is_kept(api: httpx.AsyncClient, audience: Any) -> None:
    served = (await api.get(f"/schema/{FILES[audience]}")).json()
    kept = json.loads((DOCS / FILES[audience]).read_text())
    assert {**served, "servers": [], "components": None} == {**kept, "servers": [], "components": None}
    assert served["components"]["schemas"] == kept["components"]["schemas"]
    assert (await api.get(f"/schema/{PAGES[audience]}")).status_code == 200


def test_every_schema_and_every_property_is_described() -> None:
    silent = []
    for name, schema in whole()["components"]["schemas"].items():
        silent += [] if schema.get("description") else [name]
        silent += [f"{name}.{field}" for field, part in schema.get("properties", {}).items() if not says(part)]
    assert silent == []


def says(part: dict[str, Any]) -> bool:
    """A sentence of its own."""
    return len(part.get("description", "")) > 3


def test_a_whole_number_is_no_alternative_to_a_number() -> None:
    quantity = whole()["components"]["schemas"]["OrderItem"]["properties"]["quantity"]
    assert quantity["type"] == ["number", "null"]
