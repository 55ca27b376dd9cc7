"""How the control surface spells JSON."""

import json
from typing import Any

from starlette.responses import JSONResponse


class ControlResponse(JSONResponse):
    """JSON that can also show a lone surrogate, which the records of a rude upstream may hold."""

    def render(self, content: Any) -> bytes:
        """The body."""
        return json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "backslashreplace")
