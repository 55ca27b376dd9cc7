"""Completion of the framework's OpenAPI document: problems, headers of every answer, and routes without a session."""

from collections.abc import Iterable, Iterator
from copy import deepcopy
from typing import Any, Final

import msgspec

from app.http.answering.problems import MEDIA_TYPE, Problem
from app.http.openapi import error_codes, shared, tags
from app.http.openapi.audiences import MARK, audience_of
from app.http.openapi.compact import compact
from app.http.openapi.descriptions import describe
from app.http.openapi.parts import named, operations
from app.http.openapi.sharing import share, share_parameters
from app.http.policies.policy import Policy
from app.http.policies.table import DeclaredRoute

ALWAYS: Final = (
    *("X-Request-Id", "RateLimit", "RateLimit-Policy", "Cache-Control"),
    *("Portal-Version", "Account-Version", "Content-Language"),
)
"""Headers of every answer, said once at the top of the document."""
_OF_AN_END = ("Deprecation", "Sunset", "Link")


def complete(document: dict[str, Any], routes: Iterable[DeclaredRoute]) -> dict[str, Any]:
    """Copy the framework's document and add what the policies of the routes and the docstrings of the types say."""
    whole = deepcopy(document)
    schemas, parts = msgspec.json.schema_components([Problem], ref_template="#/components/schemas/{name}")
    whole.setdefault("components", {}).setdefault("schemas", {}).update(parts)
    _close_inputs(whole)
    for _, _, operation in operations(whole):
        _describe_parameters(operation)
    describe(whole["components"]["schemas"])
    compact(whole)
    share(whole["components"]["schemas"])
    _name_the_codes(whole["components"]["schemas"])
    routes = list(routes)
    whole["components"] |= shared.components({status for route in routes for status in route.statuses}, schemas[0])
    if not any(route.policy.ending for route in routes):
        for name in _OF_AN_END:
            del whole["components"]["headers"][name]
    whole["x-headers-of-every-request"] = shared.REQUEST_HEADERS
    whole["x-headers-of-every-answer"] = shared.written_out(*ALWAYS)
    declared = {(route.path, route.method.lower()): route for route in routes}
    for path, method, operation in operations(whole):
        _complete_operation(method, operation, declared[path, method])
    share_parameters(whole)
    whole["tags"] = tags.of(operation for _, _, operation in operations(whole))
    return whole


def _complete_operation(method: str, operation: dict[str, Any], route: DeclaredRoute) -> None:
    operation[MARK] = audience_of(route.policy)
    operation["description"] = " ".join(operation["description"].split())
    _parameters(method, operation, route.policy)
    _body(operation)
    _responses(method, operation, route)
    if codes := error_codes.of_operation(route):
        operation["x-error-codes"] = codes
    if route.policy.is_open:
        operation["security"] = []
    if route.policy.ending and not route.policy.ending.fields:
        operation["deprecated"] = True


def _name_the_codes(schemas: dict[str, Any]) -> None:
    """Say once which codes there are; problems and violations refer to it."""
    says = "The codes of errors. New ones are added without notice: take an unknown one by its status."
    schemas["ErrorCode"] = {"type": "string", "description": says, "enum": sorted(error_codes.statuses())}
    for name in ("Problem", "Violation"):
        code = schemas[name]["properties"]["code"]
        schemas[name]["properties"]["code"] = {
            "$ref": "#/components/schemas/ErrorCode",
            "description": code["description"],
        }


def _body(operation: dict[str, Any]) -> None:
    """Say of a body that may be null that it may be left out."""
    body = operation.get("requestBody", {})
    for content in body.get("content", {}).values():
        if {"type": "null"} in content["schema"].get("oneOf", ()):
            body["required"] = False


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
        for name in {name for _, name in named(waiting.pop())} - seen:
            seen.add(name)
            if schemas[name].get("type") == "object":
                schemas[name]["additionalProperties"] = False
            waiting.append(schemas[name])


def _parameters(method: str, operation: dict[str, Any], policy: Policy) -> None:
    wanted = []
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
    for status, answer in answers.items():
        if status == "204":
            answer.pop("content", None)
        answer.setdefault("headers", {}).update(shared.headers(*_headers(method, route.policy)))
        if "application/octet-stream" in answer.get("content", {}):
            answer["content"]["application/octet-stream"]["schema"] = {"type": "string", "format": "binary"}
            answer["headers"] |= shared.headers("Content-Disposition")
        if not answer["headers"]:
            del answer["headers"]
    if "503" in answers:
        answers["503"]["content"][MEDIA_TYPE] = {"schema": {"$ref": "#/components/schemas/Problem"}}
    if _is_conditional(method, route.policy):
        answers["304"] = shared.not_modified(of_account=not route.policy.is_open)
    answers.update(
        {
            str(status): shared.problem_response(status)
            for status in route.statuses
            if status != 503 or "503" not in answers
        }
    )


def _headers(method: str, policy: Policy) -> Iterator[str]:
    """Iterate over the headers of an answer that is no problem, beyond those of every answer."""
    if policy.ending:
        yield from _OF_AN_END
    if _is_conditional(method, policy):
        yield from ("ETag",) if policy.is_open else ("ETag", "Consistency")
    if policy.idempotency_key != "ignored":
        yield from ("Idempotency-Replayed", "Command-Id")
    if policy.consistency_token:
        yield "Consistency-Token"
    if policy.shows_state:
        yield "ETag"
    if policy.session != "kept":
        yield "Set-Cookie"
    if policy.session == "ends":
        yield "Clear-Site-Data"
