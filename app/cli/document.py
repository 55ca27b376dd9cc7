"""The OpenAPI document without a running portal."""

import json

import msgspec

from app.http.app import build
from app.settings import Settings, load


def openapi_document() -> str:
    """The document as indented JSON, the same on every machine."""
    required = [field.name.upper() for field in msgspec.structs.fields(Settings) if field.required]
    application = build(load(dict.fromkeys(required, "x" * 32)))
    return json.dumps(application.openapi_schema.to_schema(), indent=2, sort_keys=True, ensure_ascii=False)
