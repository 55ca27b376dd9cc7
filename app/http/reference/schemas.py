"""Schemas as tables of their properties, and as values that show their shape."""

from collections.abc import Mapping
from typing import Any

import msgspec

from app.http.openapi.parts import resolved
from app.http.reference.frame import NO, YES, prose, table

Part = Mapping[str, Any]
DEEPEST = 6


def properties_table(document: Part, schema: Part, caption: str) -> str:
    """Render every property of an object, nested ones with dotted names, required ones marked."""
    rows = [
        f"<tr><td><code>{name}</code><td>{kind}<td>{YES if required else NO}<td>{says}</tr>"
        for name, kind, required, says in _properties(document, schema, "", 0)
    ]
    return table(("Name", "Type", "Required", "Meaning"), rows, caption)


def sample(document: Part, schema: Part) -> str:
    """Render a value of the shape as JSON, with the names of types in place of values."""
    return msgspec.json.format(msgspec.json.encode(_value(document, schema, 0)), indent=2).decode()


def type_of(document: Part, schema: Part) -> str:
    """Name the type of a schema: `string`, `date`, `a or b`, `list of …`, `Money or null`."""
    if "$ref" in schema:
        found = resolved(document, schema)
        return type_of(document, found) if "enum" in found else str(schema["$ref"].rsplit("/", 1)[1])
    if options := schema.get("oneOf") or schema.get("anyOf"):
        return " or ".join(type_of(document, each) for each in options)
    if "enum" in schema:
        return " or ".join(f"<code>{each}</code>" for each in schema["enum"] if each is not None)
    if schema.get("type") == "array":
        return f"list of {type_of(document, schema.get('items', {}))}"
    kind = schema.get("format") or schema.get("type", "any")
    return " or ".join(kind) if isinstance(kind, list) else str(kind)


def _properties(document: Part, schema: Part, prefix: str, depth: int) -> list[tuple[str, str, bool, str]]:
    schema = _object(document, schema)
    needed = set(schema.get("required", ()))
    found: list[tuple[str, str, bool, str]] = []
    for name, each in schema.get("properties", {}).items():
        says = each.get("description") or resolved(document, each).get("description", "")
        found.append((prefix + name, type_of(document, each), name in needed, prose(str(says))))
        if depth < DEEPEST:
            found += _properties(document, _member(each), f"{prefix}{name}.", depth + 1)
    return found


def _member(schema: Part) -> Part:
    """Return the schema whose properties a property has: that of its items for a list, the one that is not null."""
    if schema.get("type") == "array":
        return _member(schema.get("items", {}))
    options = schema.get("oneOf") or schema.get("anyOf") or ()
    return next((each for each in options if each.get("type") != "null"), schema)


def _object(document: Part, schema: Part) -> Part:
    return resolved(document, _member(schema))


def _value(document: Part, schema: Part, depth: int) -> Any:
    schema = _object(document, schema) if schema.get("type") != "array" else schema
    if depth > DEEPEST:
        return "…"
    if "properties" in schema:
        return {name: _value(document, each, depth + 1) for name, each in schema["properties"].items()}
    if schema.get("type") == "array":
        return [_value(document, schema.get("items", {}), depth + 1)]
    return " | ".join(map(str, schema["enum"])) if "enum" in schema else str(schema.get("type", "any"))
