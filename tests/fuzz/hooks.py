"""Filters of generated requests that no HTTP client can send: control characters within a header. The server refuses
them before there is a request."""

from typing import Any

import schemathesis


@schemathesis.hook
def filter_headers(context: Any, headers: dict[str, Any] | None) -> bool:
    """Return whether a header set can be sent."""
    return all(
        isinstance(value, str) and all(" " <= each <= "~" for each in value) for value in (headers or {}).values()
    )
