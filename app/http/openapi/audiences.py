"""The readers of the document: customers' frontends, operators' tools, and those who call in.

Each has a document of its own, with the components that its operations need and no others.
"""

from copy import deepcopy
from typing import Any, Final, Literal, get_args

from app.http.openapi.parts import named, operations
from app.http.policies.policy import Policy

Audience = Literal["customer", "operator", "inbound"]
AUDIENCES: Final[tuple[Audience, ...]] = get_args(Audience)
MARK: Final = "x-audience"
FILES: Final[dict[Audience, str]] = {
    "customer": "openapi.json",
    "operator": "openapi-operator.json",
    "inbound": "openapi-inbound.json",
}
"""The name under which each is served below `/schema` and kept in `docs`."""
_TITLES: Final[dict[Audience, str]] = {
    "customer": "Customer portal",
    "operator": "Customer portal: operators",
    "inbound": "Customer portal: inbound webhooks",
}


def audience_of(policy: Policy) -> Audience:
    """Return who calls a route."""
    if policy.signed:
        return "inbound"
    return "operator" if policy.is_staff_only or policy.network == "internal" else "customer"


def for_audience(document: dict[str, Any], audience: Audience) -> dict[str, Any]:
    """Copy the operations of an audience, with what they refer to."""
    part = deepcopy(document)
    for path, method, operation in list(operations(part)):
        if operation.pop(MARK) != audience:
            del part["paths"][path][method]
    part["paths"] = {path: methods for path, methods in part["paths"].items() if methods}
    part["info"]["title"] = _TITLES[audience]
    used = {tag for _, _, operation in operations(part) for tag in operation["tags"]}
    part["tags"] = [each for each in part["tags"] if each["name"] in used]
    _prune(part)
    return part


def _prune(document: dict[str, Any]) -> None:
    """Remove components that nothing refers to."""
    components = document["components"]
    waiting: list[Any] = [document["paths"]]
    kept: set[tuple[str, str]] = set()
    while waiting:
        for kind, name in named(waiting.pop()) - kept:
            kept.add((kind, name))
            waiting.append(components[kind][name])
    for kind, parts in components.items():
        if kind != "securitySchemes":
            components[kind] = {name: each for name, each in parts.items() if (kind, name) in kept}
    document["components"] = {kind: parts for kind, parts in components.items() if parts}
