"""Serving of the OpenAPI document, as JSON and as the reference page."""

from http import HTTPStatus
from typing import Any, Final

import msgspec
from litestar import Request, Response, Router
from litestar.enums import MediaType
from litestar.openapi.plugins import JsonRenderPlugin, OpenAPIRenderPlugin

from app.errors import NotFound
from app.http.openapi.audiences import AUDIENCES, FILES, Audience, for_audience
from app.http.openapi.document import complete
from app.http.policies.policy import ANYBODY, OPTION, Policy
from app.http.policies.table import routes_of
from app.http.reference.page import page


class JsonDocument(JsonRenderPlugin):
    """Serves the document of an audience as JSON."""

    def __init__(self, audience: Audience) -> None:
        super().__init__(path=f"/{FILES[audience]}")
        self._audience = audience
        self._rendered: bytes | None = None

    def render(self, request: Request[Any, Any, Any], openapi_schema: dict[str, Any]) -> bytes:
        """Complete and encode the document, once."""
        if self._rendered is None:
            whole = complete(openapi_schema, routes_of(request.app))
            self._rendered = msgspec.json.encode(for_audience(whole, self._audience))
        return self._rendered


class BrowsablePage(OpenAPIRenderPlugin):
    """Serves one page that shows every route of an audience with its parameters, bodies and answers."""

    media_type = MediaType.HTML

    def __init__(self, audience: Audience, path: str) -> None:
        super().__init__(path=path)
        self._audience = audience
        self._rendered: bytes | None = None

    def render(self, request: Request[Any, Any, Any], openapi_schema: dict[str, Any]) -> bytes:
        """Render the page, once."""
        if self._rendered is None:
            self._rendered = page(for_audience(complete(openapi_schema, routes_of(request.app)), self._audience))
        return self._rendered


PAGES: Final[dict[Audience, str]] = {"customer": "/", "operator": "/operators", "inbound": "/inbound"}
"""Where the page of each audience is, below `/schema`."""


def plugins() -> list[OpenAPIRenderPlugin]:
    """Make what serves documents and pages."""
    return [*map(JsonDocument, AUDIENCES), *(BrowsablePage(each, path) for each, path in PAGES.items())]


def document_router() -> Router:
    """Make the router that serves the document and the page."""
    return Router(
        "/schema",
        route_handlers=[],
        include_in_schema=False,
        dto=None,
        return_dto=None,
        after_request=_refuse_others,
        opt={OPTION: Policy(roles=ANYBODY, limit="public")},
    )


async def _refuse_others(response: Response[Any]) -> Response[Any]:
    """Replace the framework's own page for an unknown path by a problem, as everywhere else.

    Raises:
        NotFound: in place of that page.
    """
    if response.status_code == HTTPStatus.NOT_FOUND:
        raise NotFound
    return response
