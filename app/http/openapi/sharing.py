"""Schemas that contain the whole of another one refer to it, and say only what they add."""

from typing import Any, Final

from app.http.openapi.descriptions import bases_of

_AGE: Final = ("Aged", ("as_of", "stale", "stale_reason"))
"""The part of nearly every answer. Types cannot inherit it next to what they inherit already."""


def share(schemas: dict[str, Any]) -> None:
    """Replace what a schema repeats by references, in place."""
    name, fields = _AGE
    like = next((each for each in schemas.values() if set(fields) <= set(each.get("properties", ()))), None)
    if like is None:
        return
    schemas[name] = {
        "type": "object",
        "description": "The age of an answer.",
        "properties": {field: like["properties"][field] for field in fields},
        "required": list(fields),
    }
    whole = {key: (dict(each.get("properties", {})), set(each.get("required", ()))) for key, each in schemas.items()}
    for key, schema in schemas.items():
        for base in (*bases_of(key), name):
            if key != base and base in whole:
                _refer(schema, base, *whole[base])


def _refer(schema: dict[str, Any], base: str, fields: dict[str, Any], needed: set[str]) -> None:
    own = schema.get("properties", {})
    same = all(own.get(name) == part for name, part in fields.items())
    if not same or not needed <= set(schema.get("required", ())) or schema.get("additionalProperties") is False:
        return
    schema.setdefault("allOf", []).append({"$ref": f"#/components/schemas/{base}"})
    schema["properties"] = {name: part for name, part in own.items() if name not in fields}
    schema["required"] = [name for name in schema["required"] if name not in fields]
    for key in ("properties", "required"):
        if not schema[key]:
            del schema[key]
