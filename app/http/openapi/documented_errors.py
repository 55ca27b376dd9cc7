"""The documented errors, read from docs/errors.md: the one list of codes."""

import re
from functools import cache
from importlib import resources
from pathlib import Path

from msgspec import Struct

_ROW = re.compile(r"^\| `([a-z_0-9]+)` \| ([^|]+) \| (.+?) \| (.+?) \|$", re.M)
_CHECKOUT = Path(__file__).parents[3] / "docs" / "errors.md"


class DocumentedError(Struct, frozen=True):
    """One row: the code, the status or statuses it comes with, its meaning, and what a caller does about it."""

    code: str
    status: str
    meaning: str
    remedy: str


@cache
def documented() -> tuple[DocumentedError, ...]:
    """Read the documented errors, in their order: from the checkout, or from the package that was built of it."""
    text = _CHECKOUT.read_text() if _CHECKOUT.exists() else _packaged()
    return tuple(DocumentedError(*(part.strip() for part in row)) for row in _ROW.findall(text))


def _packaged() -> str:
    return (resources.files("app.http.reference") / "errors.md").read_text(encoding="utf-8")
