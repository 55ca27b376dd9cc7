"""The document has everything a caller needs: problems, headers, keys, open routes."""

import re
from typing import Any

import httpx

from app.cli.document import unconfigured
from app.commands.registry import COMMANDS
from app.http.openapi.document import operations, resolved
from app.http.policies.table import DeclaredRoute, routes_of


async def test_every_operation_has_a_summary_a_tag_and_its_problems(api: httpx.AsyncClient) -> None:
    document = (await api.get("/schema/openapi.json")).json()
    assert document["openapi"].startswith("3.1")
    assert len(list(operations(document))) >= 25
    for path, method, operation in operations(document):
        where = f"{method} {path}"
        assert operation["summary"], where
        assert operation["tags"], where
        assert operation["description"], where
        for status, reference in operation["responses"].items():
            answer = resolved(document, reference)
            assert answer["description"], (where, status)
            assert "X-Request-Id" in answer["headers"], (where, status)
            if status >= "400":
                assert list(answer["content"]) == ["application/problem+json"], (where, status)
                assert answer["content"]["application/problem+json"]["schema"]["$ref"].endswith("/Problem")


async def test_references_lead_somewhere(api: httpx.AsyncClient) -> None:
    response = await api.get("/schema/openapi.json")
    document = response.json()
    used = set(re.findall(r'"#/components/(\w+)/([^"]+)"', response.text))
    assert {kind for kind, _ in used} == {"schemas", "responses", "headers", "parameters"}
    assert used <= {(kind, name) for kind, parts in document["components"].items() for name in parts}


def is_keyed(document: dict[str, Any], route: DeclaredRoute) -> bool:
    """Documented with an Idempotency-Key that must be sent."""
    return any(name == "Idempotency-Key" and wanted["required"] for name, wanted in parameters(document, route).items())


def parameters(document: dict[str, Any], route: DeclaredRoute) -> dict[str, Any]:
    """The parameters of a route by name."""
    operation = document["paths"].get(route.path, {}).get(route.method.lower(), {})
    found = (resolved(document, each) for each in operation.get("parameters", []))
    return {each["name"]: dict(each) for each in found}


async def test_the_idempotency_key_is_documented_where_it_is_required(api: httpx.AsyncClient) -> None:
    document = (await api.get("/schema/openapi.json")).json()
    keyed = {route.policy.command.name for route in routes_of(unconfigured()) if is_keyed(document, route)}
    assert {each.name for each in COMMANDS if each.idempotency_key == "required"} == keyed
    assert "place_order" in keyed
    assert document["paths"]["/api/public/services"]["get"]["security"] == []


async def test_an_answer_that_was_not_modified_is_documented_where_a_tag_may_be_sent(api: httpx.AsyncClient) -> None:
    document = (await api.get("/schema/openapi.json")).json()
    for path, method, operation in operations(document):
        conditional = any(resolved(document, each)["name"] == "If-None-Match" for each in operation["parameters"])
        assert ("304" in operation["responses"]) == conditional, f"{method} {path}"
        assert "content" not in operation["responses"].get("304", {}), f"{method} {path}"


async def test_every_operation_has_a_short_name_of_its_own(api: httpx.AsyncClient) -> None:
    document = (await api.get("/schema/openapi.json")).json()
    names = [operation["operationId"] for _, _, operation in operations(document)]
    assert len(set(names)) == len(names)
    assert [name for name in names if not re.fullmatch(r"[a-z][A-Za-z]{2,31}", name)] == []


async def test_the_document_is_small_enough_to_be_read(api: httpx.AsyncClient) -> None:
    assert len((await api.get("/schema/openapi.json")).content) <= 340 * 1024


async def test_a_whole_number_is_no_alternative_to_a_number(api: httpx.AsyncClient) -> None:
    quantity = (await api.get("/schema/openapi.json")).json()["components"]["schemas"]["OrderItem"]["properties"]
    assert quantity["quantity"]["oneOf"] == [{"type": "number"}, {"type": "null"}]
