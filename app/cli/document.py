"""The OpenAPI document, built without a running portal."""

import msgspec

from app.http.app import build
from app.http.openapi.document import complete
from app.settings import Settings, load


def openapi_document() -> str:
    """Return the document as indented JSON, identical on every machine."""
    required = [field.name.upper() for field in msgspec.structs.fields(Settings) if field.required]
    application = build(load(dict.fromkeys(required, "x" * 32)))
    document = msgspec.json.encode(complete(application.openapi_schema.to_schema()), order="sorted", enc_hook=str)
    return msgspec.json.format(document, indent=2).decode()
