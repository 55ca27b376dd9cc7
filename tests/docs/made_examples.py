"""Examples made of a schema: the enum's first word, the shortest valid text, one item in each list."""

from collections.abc import Mapping
from typing import Any

from app.http.openapi.parts import resolved

Part = Mapping[str, Any]
DEEPEST = 6
TEXTS = {
    "date": "2026-12-31",
    "date-time": "2026-12-31T09:00:00Z",
    "uuid": "0190b5c0-7a3e-7000-8000-000000000001",
    "binary": "…",
}
BY_NAME = {
    **{"email": "hana@example.jp", "phone": "03-1234-5678", "currency": "JPY", "amount": "1200", "country": "JP"},
    **{"postcode": "160-0022", "state": "Tokyo", "city": "Shinjuku-ku", "first_name": "Hana", "last_name": "Sato"},
    **{"password": "paper crane lantern 24", "new_password": "paper crane lantern 24", "tax_rate": "10"},
}


def made(document: Part, schema: Part, name: str = "", depth: int = 0) -> Any:
    """Make a value that a schema allows."""
    schema = resolved(document, schema)
    for options in (schema.get("oneOf"), schema.get("anyOf")):
        if options:
            return made(document, options[0], name, depth)
    if "enum" in schema:
        return schema["enum"][0]
    kinds = schema.get("type", "object" if "properties" in schema else "string")
    kind = kinds if isinstance(kinds, str) else next(each for each in kinds if each != "null")
    if kind == "object":
        fields = schema.get("properties", {}) if depth < DEEPEST else {}
        return {key: made(document, each, key, depth + 1) for key, each in fields.items()}
    if kind == "array":
        least = schema.get("minItems", 1) if depth < DEEPEST else 0
        return [made(document, schema.get("items", {}), name, depth + 1) for _ in range(least)]
    if kind in ("integer", "number"):
        return schema.get("minimum", 1)
    return {"boolean": True, "null": None}[kind] if kind in ("boolean", "null") else _text(schema, name)


def _text(schema: Part, name: str) -> str:
    if form := TEXTS.get(schema.get("format", "")):
        return form
    if schema.get("contentEncoding") == "base64":
        return "aGVsbG8="
    text = BY_NAME.get(name, f"{name or 'text'}-1")
    return text.ljust(schema.get("minLength", 0), "1")[: schema.get("maxLength", len(text) + 100)]
