"""Serving of the OpenAPI document, as JSON and as the reference page."""

from http import HTTPStatus
from typing import Any

import msgspec
from litestar import Request, Response, Router
from litestar.enums import MediaType
from litestar.openapi.plugins import JsonRenderPlugin, OpenAPIRenderPlugin

from app.errors import NotFound
from app.http.openapi.document import complete
from app.http.policies.policy import ANYBODY, OPTION, Policy
from app.http.policies.table import routes_of
from app.http.reference.page import page


class JsonDocument(JsonRenderPlugin):
    """Serves the document as JSON."""

    _rendered: bytes | None = None

    def render(self, request: Request[Any, Any, Any], openapi_schema: dict[str, Any]) -> bytes:
        """Complete and encode the document, once."""
        if self._rendered is None:
            self._rendered = msgspec.json.encode(complete(openapi_schema, routes_of(request.app)))
        return self._rendered


class BrowsablePage(OpenAPIRenderPlugin):
    """Serves one page without scripts that shows every route with its parameters, bodies and answers."""

    media_type = MediaType.HTML
    _rendered: bytes | None = None

    def render(self, request: Request[Any, Any, Any], openapi_schema: dict[str, Any]) -> bytes:
        """Render the page, once."""
        if self._rendered is None:
            self._rendered = page(complete(openapi_schema, routes_of(request.app)))
        return self._rendered


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
