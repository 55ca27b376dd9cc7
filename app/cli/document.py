"""The OpenAPI document, built without a running portal."""

import msgspec
from litestar import Litestar

from app.http.app import build
from app.http.openapi.document import complete
from app.http.policies.table import routes_of
from app.settings import Settings, load


def unconfigured() -> Litestar:
    """Build the application with placeholders for the required settings, to describe it and never to run it."""
    required = [field.name.upper() for field in msgspec.structs.fields(Settings) if field.required]
    return build(load(dict.fromkeys(required, "x" * 32)))


def openapi_document() -> str:
    """Return the document as indented JSON, identical on every machine."""
    application = unconfigured()
    document = msgspec.json.encode(
        complete(application.openapi_schema.to_schema(), routes_of(application)), order="sorted", enc_hook=str
    )
    return msgspec.json.format(document, indent=2).decode()
