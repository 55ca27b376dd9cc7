"""The OpenAPI document, built without a running portal."""

import msgspec
from litestar import Litestar

from app.http.app import build
from app.http.openapi.audiences import Audience, for_audience
from app.http.openapi.document import complete
from app.http.policies.table import routes_of
from app.settings import Settings, load


def unconfigured() -> Litestar:
    """Build the application with placeholders for the required settings, to describe it and never to run it."""
    required = [field.name.upper() for field in msgspec.structs.fields(Settings) if field.required]
    return build(load(dict.fromkeys(required, "x" * 32)))


def openapi_document(audience: Audience | None = None) -> str:
    """Return the document of an audience, or of all, as indented JSON, identical on every machine."""
    application = unconfigured()
    whole = complete(application.openapi_schema.to_schema(), routes_of(application))
    shown = for_audience(whole, audience) if audience else whole
    return msgspec.json.format(msgspec.json.encode(shown, order="sorted", enc_hook=str), indent=2).decode()
