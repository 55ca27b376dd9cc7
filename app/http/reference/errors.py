"""The page of error codes, rendered from docs/errors.md. The `type` of every problem leads to a row of it."""

import html
import re
from collections.abc import Iterator
from functools import cache
from importlib import resources
from pathlib import Path

from msgspec import Struct

from app.http.reference.frame import framed, prose, table

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


def of_status(status: int) -> Iterator[DocumentedError]:
    """Iterate over the errors that come with a status."""
    return (each for each in documented() if str(status) in each.status.split(" or "))


def link(code: str) -> str:
    """Link to the row of a code."""
    name = html.escape(code, quote=True)
    return f"<a href='/docs/errors#{name}'><code>{name}</code></a>"


def page() -> bytes:
    """Render the page of error codes."""
    rows = [
        f"<tr id='{each.code}'><td><a href='#{each.code}'><code>{each.code}</code></a>"
        f"<td>{prose(each.status)}<td>{prose(each.meaning)}<td>{prose(each.remedy)}</tr>"
        for each in documented()
    ]
    intro = (
        "<p>Every error is <code>application/problem+json</code> (RFC 9457). <code>code</code> is stable, "
        "<code>detail</code> is a sentence for the customer, and <code>errors</code> lists everything that is wrong at "
        "once. Quote <code>request_id</code> when you ask for help.</p>"
    )
    return framed("Errors", intro + table(("Code", "Status", "Meaning", "What to do"), rows, "Error codes"))


def _packaged() -> str:
    return (resources.files("app.http.reference") / "errors.md").read_text(encoding="utf-8")
