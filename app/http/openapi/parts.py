"""Parts of an OpenAPI document: its operations, what a reference leads to, and what a part refers to."""

from collections.abc import Iterator, Mapping
from typing import Any

METHODS = ("get", "post", "put", "patch", "delete")


def named(part: Any) -> set[tuple[str, str]]:
    """Collect kind and name of the components that a part of the document refers to."""
    if isinstance(part, dict):
        kind_and_name = part["$ref"].split("/")[2:] if isinstance(part.get("$ref"), str) else ()
        own = {(kind_and_name[0], kind_and_name[1])} if kind_and_name else set()
        return own.union(*(named(each) for each in part.values()))
    return set().union(*(named(each) for each in part)) if isinstance(part, list) else set()


def resolved(document: Mapping[str, Any], part: Mapping[str, Any]) -> Mapping[str, Any]:
    """Follow a reference into the document, and join what a schema is composed of; return any other part as it is."""
    while "$ref" in part:
        _, _, kind, name = part["$ref"].split("/")
        part = document["components"][kind][name]
    if "allOf" not in part:
        return part
    joined = {key: value for key, value in part.items() if key != "allOf"}
    joined["properties"], joined["required"] = dict(part.get("properties", {})), list(part.get("required", ()))
    for each in (resolved(document, one) for one in part["allOf"]):
        joined["properties"] |= each.get("properties", {})
        joined["required"] += each.get("required", ())
    return joined


def operations(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Iterate over path, method and operation of every route."""
    for path, methods in document["paths"].items():
        for method in METHODS:
            if method in methods:
                yield path, method, methods[method]
