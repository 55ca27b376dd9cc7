"""Descriptions of schemas and properties, read from the docstrings of the types that they are made of.

A property has the docstring under its field, or its entry among the `Attributes` of its class, or of a class that it
is inherited from. What no class says is in `app/http/openapi/shared_meanings.py`: names that mean the same everywhere.
"""

import ast
import inspect
import re
import sys
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

from msgspec import Struct

from app.http.openapi.shared_meanings import MEANINGS
from app.words.worded import SUFFIX

_SECTION = re.compile(r"^(Attributes|Args|Raises|Returns):$", re.M)
_ATTRIBUTE = re.compile(r"^ {4}(\w+): (.+(?:\n {5,}.+)*)", re.M)


def describe(schemas: Mapping[str, dict[str, Any]]) -> None:
    """Add the description of every schema that is made of a type, and of each of its properties."""
    known = _types()
    for name, schema in schemas.items():
        kind = known.get(name)
        if kind is None or "properties" not in schema:
            continue
        schema.pop("title", None)
        schema["description"] = meaning_of(kind)
        for field, part in schema["properties"].items():
            if said := meaning_of_field(kind, field):
                part["description"] = said


def bases_of(name: str) -> list[str]:
    """List the types that the type of a schema inherits from, the nearest first."""
    kind = _types().get(name)
    return [each.__name__ for each in kind.__mro__[1:] if each.__module__.startswith("app.")] if kind else []


def meaning_of(kind: type) -> str:
    """Return the docstring of a type, without its sections, each paragraph in one line."""
    text = _SECTION.split(inspect.cleandoc(kind.__doc__ or ""))[0].strip()
    return "\n\n".join(" ".join(each.split()) for each in text.split("\n\n"))


def meaning_of_field(kind: type, field: str) -> str:
    """Return what the nearest class says of a field, else what its name means everywhere; empty if nothing does."""
    for each in kind.__mro__:
        if each.__module__.startswith("app.") and (said := _fields(each.__module__).get(each.__name__, {}).get(field)):
            return said
    phrases_of = f"The phrases of `{field.removesuffix(SUFFIX)}`." if field.endswith(SUFFIX) else ""
    return phrases_of or MEANINGS.get(field, "")


@cache
def _types() -> dict[str, type]:
    """List the types of this program by name; no two have the same."""
    return {each.__name__: each for each in _heirs(Struct) if each.__module__.startswith("app.")}


def _heirs(kind: type[Struct]) -> Iterator[type[Struct]]:
    for each in kind.__subclasses__():
        yield each
        yield from _heirs(each)


@cache
def _fields(module: str) -> dict[str, dict[str, str]]:
    """Read what the classes of a module say of their fields."""
    tree = ast.parse(inspect.getsource(sys.modules[module]))
    return {each.name: _of_class(each) for each in tree.body if isinstance(each, ast.ClassDef)}


def _of_class(node: ast.ClassDef) -> dict[str, str]:
    parts = _SECTION.split(ast.get_docstring(node) or "")
    listed = parts[parts.index("Attributes") + 1] if "Attributes" in parts else ""
    found = {name: _sentence(text) for name, text in _ATTRIBUTE.findall(listed)}
    for field, below in zip(node.body, node.body[1:], strict=False):
        said = below.value.value if isinstance(below, ast.Expr) and isinstance(below.value, ast.Constant) else None
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name) and isinstance(said, str):
            found[field.target.id] = _sentence(said)
    return found


def _sentence(text: str) -> str:
    """Write a description as a sentence in one line."""
    plain = " ".join(text.split())
    return plain[:1].upper() + plain[1:] + ("" if plain.endswith((".", "?", "`:")) else ".")
