"""The page of error codes, rendered from docs/errors.md. The `type` of every problem leads to a row of it."""

import html
import re
from functools import cache
from http import HTTPStatus
from importlib import resources
from pathlib import Path

from msgspec import Struct

from app.http.reference.frame import framed, prose, table

_ROW = re.compile(r"^\| `([a-z_0-9]+)` \| ([^|]+) \| (.+?) \| (.+?) \|$", re.M)
_STATUS = re.compile(r"\b[1-5]\d\d\b")
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


def link(status: str) -> str:
    """Link to the errors that come with a status."""
    return f"<a href='/docs/errors#status-{status}'>{status}</a>"


def page() -> bytes:
    """Render the page of error codes, by status."""
    sections = "".join(
        f"<h2 id='status-{status}'>{status}: {html.escape(_phrase(status))}</h2>{_table(status)}"
        for status in _statuses()
    )
    intro = (
        "<p>Every error is <code>application/problem+json</code> (RFC 9457). <code>code</code> is stable, "
        "<code>detail</code> is a sentence for the customer, and <code>errors</code> lists everything that is wrong at "
        "once. Quote <code>request_id</code> when you ask for help.</p>"
    )
    return framed("Errors", intro + sections)


def _statuses() -> list[str]:
    return sorted({_first(each) for each in documented()})


def _first(error: DocumentedError) -> str:
    """Return the status under which an error is listed: the first, where it comes with several."""
    return _STATUS.findall(error.status)[0] if _STATUS.search(error.status) else "0"


def _phrase(status: str) -> str:
    return HTTPStatus(int(status)).phrase if status != "0" else "Command line"


def _table(status: str) -> str:
    rows = [
        f"<tr id='{each.code}'><td><a href='#{each.code}'><code>{each.code}</code></a>"
        f"<td>{prose(each.status)}<td>{prose(each.meaning)}<td>{prose(each.remedy)}</tr>"
        for each in documented()
        if _first(each) == status
    ]
    return table(("Code", "Status", "Meaning", "What to do"), rows, f"Errors of {status}")


def _packaged() -> str:
    return (resources.files("app.http.reference") / "errors.md").read_text(encoding="utf-8")
