"""The usual changes between two versions, ready to be used in their files."""

from collections.abc import Callable, Mapping
from typing import Any

from app.http.versions.version import AnswerChange, QueryPairs

EACH = "*"
"""Every item of a list, in a path."""


def renamed(path: str, newer: str, older: str) -> AnswerChange:
    """Rename a field back in the objects at a path: `""` the answer itself, `items.*` each item of its list."""
    return lambda status, body: (status, at(path, body, lambda each: with_name(each, newer, older)))


def replaced(path: str, field: str, values: Mapping[str, str]) -> AnswerChange:
    """Replace values that the older version does not have by those that it has."""

    def replace(each: dict[str, Any]) -> dict[str, Any]:
        value = each.get(field)
        return {**each, field: values[value]} if isinstance(value, str) and value in values else each

    return lambda status, body: (status, at(path, body, replace))


def answered(newer: int, older: int) -> AnswerChange:
    """Give a status back the number that it had."""
    return lambda status, body: (older if status == newer else status, body)


def parameter_renamed(older: str, newer: str) -> Callable[[QueryPairs, Any], tuple[QueryPairs, Any]]:
    """Rename a query parameter forward."""
    return lambda query, body: (tuple((newer if name == older else name, value) for name, value in query), body)


def field_renamed(older: str, newer: str) -> Callable[[QueryPairs, Any], tuple[QueryPairs, Any]]:
    """Rename a field of a request's body forward."""
    return lambda query, body: (query, with_name(body, older, newer))


def with_name(body: Any, former: str, name: str) -> Any:
    """Rename a field in place, so that the order of the others stays."""
    if not isinstance(body, dict) or former not in body:
        return body
    return {name if key == former else key: value for key, value in body.items()}


def at(path: str, body: Any, change: Callable[[dict[str, Any]], Any]) -> Any:
    """Apply a change to the objects at a path; what is not there stays away."""
    first, _, rest = path.partition(".")
    if first == EACH and isinstance(body, list):
        return [at(rest, each, change) for each in body]
    if not isinstance(body, dict):
        return body
    if not path:
        return change(body)
    return {**body, first: at(rest, body[first], change)} if first in body else body
