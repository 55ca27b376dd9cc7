"""The page of error codes, rendered from docs/errors.md. The `type` of every problem leads to a row of it."""

import html
import re
from http import HTTPStatus

from app.http.openapi.documented_errors import DocumentedError, documented
from app.http.reference.frame import framed, prose, table

_STATUS = re.compile(r"\b[1-5]\d\d\b")


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
