"""Completion of the framework's OpenAPI document: problems, headers of every answer, and routes without a session."""

from collections.abc import Iterable, Iterator
from copy import deepcopy
from typing import Any

import msgspec

from app.http.answering.problems import MEDIA_TYPE, Problem
from app.http.policies.policy import Policy
from app.http.policies.table import DeclaredRoute

METHODS = ("get", "post", "put", "patch", "delete")
MEANINGS = {
    400: "The request could not be understood: malformed JSON, an unknown field or query parameter, a bad value.",
    401: "No valid session, credentials or signature.",
    402: "The charge of the payment method on file was declined; nothing was taken.",
    403: "The session may not do this, or the CSRF token is missing.",
    404: "Does not exist, or belongs to somebody else: the answer is the same.",
    409: "Conflicts with the current state, or the same request is still in progress.",
    412: "`If-Match` does not name the current state.",
    413: "The body is too large.",
    414: "The query string is too long.",
    415: "The body is not application/json.",
    422: "Well formed, but a rule forbids it; `errors` names each violation.",
    429: "Too many requests.",
    431: "The headers are too large.",
    500: "An error on our side; `request_id` identifies it in our logs.",
    502: "An upstream refused the request, or its answer could not be read.",
    503: "Try again later: an upstream or our database is unavailable, or the account is still being prepared.",
}
_HEADERS = {
    "X-Request-Id": "The id of this request: the caller's own if it sent a well-formed one.",
    "RateLimit-Policy": "The limit of this class of requests and its window in seconds.",
    "RateLimit": "Requests that remain in this window, and seconds until it ends.",
}
_REQUEST_ID = ("X-Request-Id", "An id of your own for this request: letters, digits, `.`, `_`, `-`, at most 64.", False)
_KEY = ("Idempotency-Key", "A new one for each new request. The same key and body returns the first answer for 24 h.")
_QUERY_HEADERS = (
    ("Consistency-Token", "From a command's answer: the query waits until the command's effect is visible.", False),
    ("Prefer", "`wait=SECONDS`, how long to wait for that; 2 by default, at most 10.", False),
    ("If-None-Match", "The ETag of the answer you hold; 304 when nothing changed.", False),
)


def complete(document: dict[str, Any], routes: Iterable[DeclaredRoute]) -> dict[str, Any]:
    """Copy the framework's document and add what the policies of the routes say."""
    whole = deepcopy(document)
    schemas, parts = msgspec.json.schema_components([Problem], ref_template="#/components/schemas/{name}")
    whole.setdefault("components", {}).setdefault("schemas", {}).update(parts)
    _close_inputs(whole)
    _simplify_numbers(whole["components"])
    declared = {(route.path, route.method.lower()): route for route in routes}
    for path, method, operation in operations(whole):
        route = declared[path, method]
        _parameters(method, operation, route.policy)
        _responses(operation, route, schemas[0])
        if route.policy.is_open:
            operation["security"] = []
    return whole


def _simplify_numbers(part: Any) -> None:
    """Every integer is a number, so a value that may be either is one of two kinds that are no alternatives."""
    for each in part.values() if isinstance(part, dict) else part if isinstance(part, list) else ():
        _simplify_numbers(each)
    if isinstance(part, dict) and {"type": "number"} in part.get("oneOf", ()):
        part["oneOf"] = [each for each in part["oneOf"] if each != {"type": "integer"}]


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


def operations(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Iterate over path, method and operation of every route."""
    for path, methods in document["paths"].items():
        for method in METHODS:
            if method in methods:
                yield path, method, methods[method]


def _parameters(method: str, operation: dict[str, Any], policy: Policy) -> None:
    wanted = [_REQUEST_ID]
    if policy.idempotency_key == "required":
        wanted.append((*_KEY, True))
    if method == "get" and policy.conditional:
        wanted += _QUERY_HEADERS[2:] if policy.is_open else _QUERY_HEADERS
    operation.setdefault("parameters", []).extend(
        {"name": name, "in": "header", "required": required, "description": meaning, "schema": {"type": "string"}}
        for name, meaning, required in wanted
    )


def _responses(operation: dict[str, Any], route: DeclaredRoute, problem: dict[str, Any]) -> None:
    answers = operation["responses"]
    for status in route.statuses:
        answers[str(status)] = {
            "description": MEANINGS[status],
            "content": {MEDIA_TYPE: {"schema": problem}},
        }
    if any(each["name"] == "If-None-Match" for each in operation["parameters"]):
        answers["304"] = {"description": "Not modified: `If-None-Match` names what you would be answered."}
    for status, answer in answers.items():
        if status == "204":
            answer.pop("content", None)
        headers = answer.setdefault("headers", {})
        headers.update({name: _header(meaning) for name, meaning in _HEADERS.items()})
        if status in ("429", "503"):
            headers["Retry-After"] = _header("Seconds to wait before trying again.")
        if status.startswith("2"):
            headers.update(_command_headers(route.policy))


def _command_headers(policy: Policy) -> dict[str, Any]:
    found = {}
    if policy.idempotency_key == "required":
        found["Idempotency-Replayed"] = _header("`true` when the first answer is returned again.")
        found["Command-Id"] = _header("`/api/commands/{command_id}` tells the state of the command.")
    if policy.consistency_token:
        found["Consistency-Token"] = _header("Send it with a query to wait for this command's effect.")
    return found


def _header(meaning: str) -> dict[str, Any]:
    return {"description": meaning, "schema": {"type": "string"}}
