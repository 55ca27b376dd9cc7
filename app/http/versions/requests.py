"""A request of a former version, carried forward before anything reads it."""

from collections.abc import Iterable
from typing import Any

from litestar.handlers.base import BaseRouteHandler

from app.http.answering.handler_types import AnyConnection
from app.http.answering.strict_request import ADAPT_BODY
from app.http.versions.adapter import Adapter
from app.http.versions.contract import ServedVersion
from app.http.versions.endings import operation_of
from app.http.versions.entity_tags import expected
from app.http.versions.negotiation import SERVED

ADAPTER = "adapter"
"""The key under which the scope of a request has what carries its answer back."""
_CONDITIONS = frozenset({b"if-match", b"if-none-match"})


async def adapt_request(connection: AnyConnection, handler: BaseRouteHandler) -> None:
    """Carry query and conditions forward, and note what the body and the answer need. The first guard, because the
    others read the request.

    Raises:
        InvalidRequest: the query does not have the shape of its own version.
    """
    scope: Any = connection.scope
    served: ServedVersion | None = scope.get(SERVED)
    if served is None or not served.adapters:
        return
    adapter = served.adapters.get(operation_of(handler))
    scope["headers"] = [(name, _condition(name, value, adapter)) for name, value in _joined(scope["headers"])]
    if adapter is None:
        return
    scope[ADAPTER] = adapter
    if adapter.changes_requests:
        scope[ADAPT_BODY] = adapter.content
        scope["query_string"] = adapter.query_string(scope["query_string"])


def _condition(name: bytes, value: bytes, adapter: Adapter | None) -> bytes:
    if name == b"if-none-match" and adapter is not None and adapter.tags is not None:
        return adapter.tags.held(value.decode("latin-1")).encode("latin-1")
    return expected(value.decode("latin-1")).encode("latin-1") if name == b"if-match" else value


def _joined(headers: Iterable[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    """Join the lines of each condition, which callers and proxies may split."""
    pairs = list(headers)
    found = {name: b", ".join(value for each, value in pairs if each == name) for name in _CONDITIONS}
    others = [(name, value) for name, value in pairs if name not in _CONDITIONS]
    return others + [(name, value) for name, value in found.items() if any(each == name for each, _ in pairs)]
