"""The parameters that a handler declares, its dependencies' included."""

from litestar.handlers.base import BaseRouteHandler
from litestar.typing import FieldDefinition

from app.http.answering.handler_memo import kept_with

WIRED = frozenset({"request", "data"})
"""Arguments of handlers that are no parameters of the request."""


def parameters_of(handler: BaseRouteHandler) -> dict[str, FieldDefinition]:
    """List the parameters of a handler and of what it depends on, by the name that callers use."""
    return kept_with(handler, _parameters_of)


def _parameters_of(handler: BaseRouteHandler) -> dict[str, FieldDefinition]:
    providers = handler.resolve_dependencies()
    found: dict[str, FieldDefinition] = {}
    waiting = [handler.parsed_fn_signature.parameters]
    while waiting:
        for name, field in waiting.pop().items():
            if name in providers:
                waiting.append(providers[name].parsed_fn_signature.parameters)
            elif name not in WIRED:
                found[getattr(field.kwarg_definition, "name", None) or name] = field
    return found
