"""What is computed once for a handler, and kept with it.

A cache of a module would keep the handler, and with it the whole application, after that has stopped.
"""

from collections.abc import Callable
from typing import Any, TypeVar

from litestar.handlers.base import BaseRouteHandler

T = TypeVar("T")


def kept_with(handler: BaseRouteHandler, compute: Callable[[BaseRouteHandler], T]) -> T:
    """Return what was computed for the handler; compute it first if need be."""
    key = f"memo:{compute.__module__}.{compute.__qualname__}"
    if key not in handler.opt:
        handler.opt[key] = compute(handler)
    found: Any = handler.opt[key]
    return found  # type: ignore[no-any-return]
