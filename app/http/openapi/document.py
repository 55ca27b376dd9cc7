"""Completion of the framework's OpenAPI document: problems, headers of every answer, and routes without a session."""

from collections.abc import Iterable, Iterator, Mapping
from copy import deepcopy
from typing import Any

import msgspec

from app.http.answering.problems import Problem
from app.http.openapi import shared
from app.http.policies.policy import CUSTOMER, Policy
from app.http.policies.table import DeclaredRoute

METHODS = ("get", "post", "put", "patch", "delete")
_ALWAYS = ("X-Request-Id", "RateLimit", "RateLimit-Policy")
_OF_AN_END = ("Deprecation", "Sunset", "Link")


def complete(document: dict[str, Any], routes: Iterable[DeclaredRoute]) -> dict[str, Any]:
    """Copy the framework's document and add what the policies of the routes say."""
    whole = deepcopy(document)
    schemas, parts = msgspec.json.schema_components([Problem], ref_template="#/components/schemas/{name}")
    whole.setdefault("components", {}).setdefault("schemas", {}).update(parts)
    _close_inputs(whole)
    routes = list(routes)
    whole["components"] |= shared.components({status for route in routes for status in route.statuses}, schemas[0])
    if not any(route.policy.ending for route in routes):
        whole["components"]["headers"] = {
            name: part for name, part in whole["components"]["headers"].items() if name not in _OF_AN_END
        }
    _simplify(whole)
    declared = {(route.path, route.method.lower()): route for route in routes}
    for path, method, operation in operations(whole):
        route = declared[path, method]
        _describe_parameters(operation)
        _parameters(method, operation, route.policy)
        _responses(method, operation, route)
        if route.policy.is_open:
            operation["security"] = []
        if route.policy.ending and not route.policy.ending.fields:
            operation["deprecated"] = True
    return whole


def _simplify(part: Any) -> None:
    """Leave out what says nothing: `deprecated: false`, and an integer as the alternative to a number, which it is."""
    for each in part.values() if isinstance(part, dict) else part if isinstance(part, list) else ():
        _simplify(each)
    if isinstance(part, dict) and part.get("deprecated") is False:
        del part["deprecated"]
    if isinstance(part, dict) and {"type": "number"} in part.get("oneOf", ()):
        part["oneOf"] = [each for each in part["oneOf"] if each != {"type": "integer"}]


def _describe_parameters(operation: dict[str, Any]) -> None:
    """Say of a query parameter with several values that it may also be given one alone; describe each once."""
    for each in operation.get("parameters", ()):
        if each.get("description") and each["schema"].get("description") == each["description"]:
            del each["schema"]["description"]
        options = each.get("schema", {}).get("oneOf", [])
        lists = [option["items"] for option in options if option.get("type") == "array"]
        if each.get("in") == "query" and lists:
            each["schema"]["oneOf"] = [*lists, *options]


def _close_inputs(document: dict[str, Any]) -> None:
    """Forbid unknown fields in request bodies; the framework's document allows them."""
    schemas = document["components"]["schemas"]
    waiting = [operation.get("requestBody") for _, _, operation in operations(document)]
    seen: set[str] = set()
    while waiting:
        for name in _named(waiting.pop()) - seen:
            seen.add(name)
            if schemas[name].get("type") == "object":
                schemas[name]["additionalProperties"] = False
            waiting.append(schemas[name])


def _named(part: Any) -> set[str]:
    """Collect the components that a part of the document refers to."""
    if isinstance(part, dict):
        own = {part["$ref"].rsplit("/", 1)[1]} if isinstance(part.get("$ref"), str) else set()
        return own.union(*(_named(each) for each in part.values()))
    return set().union(*(_named(each) for each in part)) if isinstance(part, list) else set()


def resolved(document: Mapping[str, Any], part: Mapping[str, Any]) -> Mapping[str, Any]:
    """Follow a reference into the document; return any other part as it is."""
    while "$ref" in part:
        _, _, kind, name = part["$ref"].split("/")
        part = document["components"][kind][name]
    return part


def operations(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Iterate over path, method and operation of every route."""
    for path, methods in document["paths"].items():
        for method in METHODS:
            if method in methods:
                yield path, method, methods[method]


def _parameters(method: str, operation: dict[str, Any], policy: Policy) -> None:
    wanted = ["RequestId"] if policy.signed else ["RequestId", "PortalVersion"]
    if policy.idempotency_key != "ignored":
        wanted.append("RequiredIdempotencyKey" if policy.idempotency_key == "required" else "IdempotencyKey")
    if method != "get" and not policy.is_open:
        wanted.append("CsrfToken")
    if _is_conditional(method, policy):
        wanted += ["IfNoneMatch"] if policy.is_open else ["ConsistencyToken", "Prefer", "IfNoneMatch"]
    operation.setdefault("parameters", []).extend(shared.parameter(each) for each in wanted)


def _is_conditional(method: str, policy: Policy) -> bool:
    return method == "get" and policy.conditional


def _responses(method: str, operation: dict[str, Any], route: DeclaredRoute) -> None:
    answers = operation["responses"]
    if _is_conditional(method, route.policy):
        answers["304"] = {"description": "Not modified: `If-None-Match` names what you would be answered."}
    for status, answer in answers.items():
        if status == "204":
            answer.pop("content", None)
        answer.setdefault("headers", {}).update(shared.headers(*_headers(method, status, route.policy)))
    answers.update({str(status): shared.problem_response(status) for status in route.statuses})


def _headers(method: str, status: str, policy: Policy) -> Iterator[str]:
    """Iterate over the headers of an answer that is no problem."""
    yield from _ALWAYS
    if not policy.signed:
        yield "Portal-Version"
    if policy.ending:
        yield from _OF_AN_END
    if _is_conditional(method, policy):
        yield from ("ETag", "Cache-Control") if policy.is_open else ("ETag", "Cache-Control", "Consistency")
    elif status != "204":
        yield "Cache-Control"
    if policy.idempotency_key != "ignored":
        yield from ("Idempotency-Replayed", "Command-Id")
    if policy.roles == CUSTOMER:
        yield "Account-Version"
    if policy.consistency_token:
        yield "Consistency-Token"
    if policy.shows_state:
        yield "ETag"
