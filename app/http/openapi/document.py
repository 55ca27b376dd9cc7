"""What the framework cannot know, added to its OpenAPI document: problems, the headers of every answer, open routes."""

from collections.abc import Iterator
from copy import deepcopy
from typing import Any

import msgspec

from app.commands.registry import COMMANDS
from app.http.answering.problems import MEDIA_TYPE, Problem
from app.http.guards.roles import is_open

METHODS = ("get", "post", "put", "patch", "delete")
KEYED = {
    "post /api/orders": "place_order",
    "post /api/invoices/{invoice_id}/pay": "pay_invoice",
    "post /api/subscriptions/{subscription_id}/upgrade": "change_plan",
    "post /api/subscriptions/{subscription_id}/downgrade": "change_plan",
}
"""Commands whose first answer is kept under the caller's Idempotency-Key."""
BEGINNING = frozenset({"post /api/auth/signup/complete", "post /api/auth/link/complete"})
"""What makes an account and so has an effect to wait for."""
PROVING = frozenset({"/api/auth/login", "/api/auth/link", "/api/auth/link/code", "/api/auth/signup/complete"})
"""Open routes on which who one is must be proven."""
MISSING = frozenset({"/api/invoices/payment-link", "/webhooks/salesforce"})
"""Routes without an id in their path that answer 404 too: the body names what there is not, or nobody listens there."""
MEANINGS = {
    400: "The request could not be understood: malformed JSON, an unknown field or query parameter, a bad value.",
    401: "No valid session, credentials or signature.",
    402: "The payment method on file was charged in vain; nothing was taken.",
    403: "The session may not do this, or the CSRF token is missing.",
    404: "Absent, or somebody else's: the same answer.",
    409: "Clashes with the present state, or the same request is still being worked on.",
    412: "`If-Match` names a state that is not the present one.",
    413: "The body is too large.",
    414: "The query string is too long.",
    415: "The body is not application/json.",
    422: "Well formed, but a rule forbids it; `errors` names each one.",
    429: "Too many requests.",
    431: "The headers are too large.",
    500: "Our mistake; `request_id` finds it in our logs.",
    502: "An upstream refused the request, or its answer made no sense.",
    503: "Try again later: an upstream or our database is away, or the account is still being prepared.",
}
_HEADERS = {
    "X-Request-Id": "The id of this request, the caller's own when it sent a sane one.",
    "RateLimit-Policy": "The limit of this class of requests and its window in seconds.",
    "RateLimit": "Requests that remain in this window, and seconds until it ends.",
}
_REQUEST_ID = ("X-Request-Id", "An id of your own for this request: letters, digits, `.`, `_`, `-`, at most 64.", False)
_KEY = ("Idempotency-Key", "New for each new request. The same key and body gives the first answer again for 24 h.")
_QUERY_HEADERS = (
    ("Consistency-Token", "From a command's answer: wait until its effect shows.", False),
    ("Prefer", "`wait=SECONDS`, how long to wait for it; 2 unless given, at most 10.", False),
    ("If-None-Match", "The ETag you hold; 304 when nothing changed.", False),
)


def complete(document: dict[str, Any]) -> dict[str, Any]:
    """A copy of the framework's document with everything a caller meets."""
    whole = deepcopy(document)
    schemas, parts = msgspec.json.schema_components([Problem], ref_template="#/components/schemas/{name}")
    whole.setdefault("components", {}).setdefault("schemas", {}).update(parts)
    _close_inputs(whole)
    _simplify_numbers(whole["components"])
    for path, method, operation in operations(whole):
        _parameters(path, method, operation)
        _responses(path, method, operation, schemas[0])
        if is_open(path):
            operation["security"] = []
    return whole


def _simplify_numbers(part: Any) -> None:
    """Every integer is a number, so a value that may be either is one of two kinds that are no alternatives."""
    for each in part.values() if isinstance(part, dict) else part if isinstance(part, list) else ():
        _simplify_numbers(each)
    if isinstance(part, dict) and {"type": "number"} in part.get("oneOf", ()):
        part["oneOf"] = [each for each in part["oneOf"] if each != {"type": "integer"}]


def _close_inputs(document: dict[str, Any]) -> None:
    """Bodies name no unknown field; the framework's document leaves that open."""
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
    """The components that a part of the document refers to."""
    if isinstance(part, dict):
        own = {part["$ref"].rsplit("/", 1)[1]} if isinstance(part.get("$ref"), str) else set()
        return own.union(*(_named(each) for each in part.values()))
    return set().union(*(_named(each) for each in part)) if isinstance(part, list) else set()


def operations(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Path, method and operation of every route."""
    for path, methods in document["paths"].items():
        for method in METHODS:
            if method in methods:
                yield path, method, methods[method]


def _parameters(path: str, method: str, operation: dict[str, Any]) -> None:
    wanted = [_REQUEST_ID]
    if f"{method} {path}" in KEYED:
        command = next(each for each in COMMANDS if each.name == KEYED[f"{method} {path}"])
        wanted.append((*_KEY, command.idempotency_key == "required"))
    if method == "get" and path.startswith("/api/") and not path.startswith(("/api/health/", "/api/auth/")):
        wanted += _QUERY_HEADERS[2:] if is_open(path) else _QUERY_HEADERS
    operation.setdefault("parameters", []).extend(
        {"name": name, "in": "header", "required": required, "description": meaning, "schema": {"type": "string"}}
        for name, meaning, required in wanted
    )


def _responses(path: str, method: str, operation: dict[str, Any], problem: dict[str, Any]) -> None:
    answers = operation["responses"]
    for status in _statuses(path, method, operation):
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
        if f"{method} {path}" in KEYED and status.startswith("2"):
            headers["Idempotency-Replayed"] = _header("`true` when this is the first answer again.")
            headers["Command-Id"] = _header("Ask `/api/commands/{command_id}` what became of it.")
        if f"{method} {path}" in BEGINNING | KEYED.keys() and status.startswith("2"):
            headers["Consistency-Token"] = _header("Send it with a query to see this command's effect.")


def _statuses(path: str, method: str, operation: dict[str, Any]) -> list[int]:
    found = {400, 414, 429, 431, 500, 503}
    if not is_open(path) or path in PROVING or path.startswith("/webhooks/"):
        found.add(401)
    if not is_open(path):
        found.add(403)
    if "{" in path or path in MISSING:
        found.add(404)
    if "requestBody" in operation or path.startswith("/webhooks/"):
        found |= {413, 422}
    if path.startswith("/webhooks/"):
        found.add(409)
    if path.endswith("/pay"):
        found |= {402, 422}
    if any(each.get("name") == "If-Match" for each in operation.get("parameters", [])):
        found.add(412)
    if "requestBody" in operation:
        found.add(415)
    if method != "get" and path.startswith("/api/"):
        found |= {409, 502}
    return sorted(found - ({429} if path.startswith(("/webhooks/", "/api/health/")) else set()))


def _header(meaning: str) -> dict[str, Any]:
    return {"description": meaning, "schema": {"type": "string"}}
