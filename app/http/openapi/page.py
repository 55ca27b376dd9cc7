"""The OpenAPI document as it is served, and a page to browse it that loads nothing from outside."""

import html
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

import msgspec
from litestar import Request, Response, Router
from litestar.enums import MediaType
from litestar.openapi.plugins import JsonRenderPlugin, OpenAPIRenderPlugin

from app.errors import NotFound
from app.http.openapi.document import METHODS, complete, resolved
from app.http.policies.policy import ANYBODY, OPTION, Policy
from app.http.policies.table import routes_of

STYLE = """
:root { color-scheme: light dark; --line: #8884; --ink: #2457a7 }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem }
h1 { margin-bottom: 0 } h2 { border-bottom: 1px solid var(--line); margin-top: 2.5rem; padding-bottom: .3rem }
details { border: 1px solid var(--line); border-radius: .5rem; margin: .5rem 0; padding: .5rem .8rem }
summary { cursor: pointer } code, pre { font: 14px/1.45 ui-monospace, monospace }
.method { display: inline-block; width: 4.5rem; font-weight: 700; color: var(--ink) }
table { border-collapse: collapse; width: 100% } td, th { border-top: 1px solid var(--line); padding: .3rem .5rem;
text-align: left; vertical-align: top } .soft { opacity: .75 }
pre { overflow-x: auto; background: #8881; border-radius: .4rem; padding: .6rem }
"""


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
            self._rendered = page(complete(openapi_schema, routes_of(request.app))).encode()
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


def page(document: Mapping[str, Any]) -> str:
    """Render a complete page from an OpenAPI document."""
    by_tag: dict[str, list[str]] = {}
    for path, methods in document["paths"].items():
        for method in METHODS:
            if method in methods:
                operation = methods[method]
                tag = (operation.get("tags") or ["Other"])[0]
                by_tag.setdefault(tag, []).append(_operation(document, path, method, operation))
    sections = "".join(f"<h2>{html.escape(tag)}</h2>{''.join(parts)}" for tag, parts in by_tag.items())
    info = document["info"]
    return (
        f"<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content='width=device-width'>"
        f"<title>{html.escape(info['title'])} API</title><style>{STYLE}</style>"
        f"<h1>{html.escape(info['title'])} API</h1><p class=soft>Version {html.escape(info['version'])} · "
        f"<a href='/schema/openapi.json'>openapi.json</a></p><p>{html.escape(info.get('description', ''))}</p>"
        f"{sections}</html>"
    )


def _operation(document: Mapping[str, Any], path: str, method: str, operation: Mapping[str, Any]) -> str:
    parts = [f"<p>{html.escape(operation.get('description', ''))}</p>"]
    if parameters := operation.get("parameters"):
        rows = "".join(_parameter(resolved(document, parameter)) for parameter in parameters)
        parts.append(f"<table><tr><th>Parameter<th>In<th>Type<th>Meaning</tr>{rows}</table>")
    if body := operation.get("requestBody"):
        schema = next(iter(body["content"].values()))["schema"]
        parts.append(f"<p>Body</p><pre>{html.escape(_shape(document, schema))}</pre>")
    answers = "".join(
        f"<tr><td><code>{html.escape(status)}</code><td>{html.escape(resolved(document, answer)['description'])}</tr>"
        for status, answer in sorted(operation.get("responses", {}).items())
    )
    parts.append(f"<table><tr><th>Answer<th></tr>{answers}</table>")
    head = f"<span class=method>{method.upper()}</span> <code>{html.escape(path)}</code>"
    name = html.escape(operation.get("summary", ""))
    return f"<details><summary>{head} <span class=soft>{name}</span></summary>{''.join(parts)}</details>"


def _parameter(parameter: Mapping[str, Any]) -> str:
    schema = parameter.get("schema", {})
    kind = " or ".join(str(each) for each in schema.get("enum", [])) or str(schema.get("type", ""))
    cells = (parameter["name"], parameter["in"], kind, parameter.get("description") or schema.get("description") or "")
    return "<tr>" + "".join(f"<td>{html.escape(cell)}" for cell in cells) + "</tr>"


def _shape(document: Mapping[str, Any], schema: Mapping[str, Any]) -> str:
    return msgspec.json.format(msgspec.json.encode(_example(document, schema, 0)), indent=2).decode()


def _example(document: Mapping[str, Any], schema: Mapping[str, Any], depth: int) -> Any:
    """Build a value that shows the shape, with names of types in place of values."""
    schema = resolved(document, schema)
    if options := schema.get("oneOf") or schema.get("anyOf"):
        schema = next((each for each in options if each.get("type") != "null"), options[0])
        return _example(document, schema, depth)
    if depth > 6:
        return "…"
    if "properties" in schema:
        return {name: _example(document, each, depth + 1) for name, each in schema["properties"].items()}
    if schema.get("type") == "array":
        return [_example(document, schema.get("items", {}), depth + 1)]
    return " | ".join(map(str, schema["enum"])) if "enum" in schema else str(schema.get("type", "any"))
