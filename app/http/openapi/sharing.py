"""What is repeated is said once: schemas refer to one that they contain whole, operations to equal parameters."""

from collections import Counter
from typing import Any, Final

from app.http.openapi.descriptions import bases_of
from app.http.openapi.parts import operations

SEVERAL: Final = 3
_AGE: Final = ("Aged", ("as_of", "stale", "stale_reason"))
"""The part of nearly every answer. Types cannot inherit it next to what they inherit already."""


def share(schemas: dict[str, Any]) -> None:
    """Replace what a schema repeats by references, in place."""
    _share_phrases(schemas)
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


def _share_phrases(schemas: dict[str, Any]) -> None:
    """Let all fields with phrases refer to one list."""
    phrases = {"type": "array", "items": {"$ref": "#/components/schemas/Phrase"}}
    for schema in list(schemas.values()):
        for field, part in schema.get("properties", {}).items():
            if phrases.items() <= part.items():
                schemas["Phrases"] = {**phrases, "description": "The phrases of a sentence, in their order."}
                said = {"description": part["description"]} if "description" in part else {}
                schema["properties"][field] = {"$ref": "#/components/schemas/Phrases", **said}


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


def share_parameters(document: dict[str, Any]) -> None:
    """Replace query parameters that several operations have, by references to one component, in place."""
    lists = [operation.get("parameters", []) for _, _, operation in operations(document)]
    times = Counter(repr(each) for found in lists for each in found)
    shared = document["components"]["parameters"]
    for found in lists:
        for place, each in enumerate(found):
            name = str(each.get("name", "")).capitalize()
            if each.get("in") in ("query", "path") and times[repr(each)] >= SEVERAL and shared.get(name, each) == each:
                shared[name] = each
                found[place] = {"$ref": f"#/components/parameters/{name}"}
