"""JSON answers of the control surface."""

import json
from typing import Any

from starlette.responses import JSONResponse


class ControlResponse(JSONResponse):
    """A JSON response that can hold a lone surrogate, as records of a broken upstream may."""

    def render(self, content: Any) -> bytes:
        """Render the body."""
        return json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "backslashreplace")
