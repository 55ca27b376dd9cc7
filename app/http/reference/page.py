"""The reference page: an index by subject, and every operation."""

import html
from collections.abc import Mapping
from typing import Any

from app.http.openapi.parts import operations
from app.http.reference.frame import framed, prose
from app.http.reference.operations import rendered

INTRO = (
    "<p>Press <kbd>Ctrl</kbd>+<kbd>F</kbd> to search: browsers look into closed entries too. Names such as "
    "<code>payInvoice</code> are those of generated clients.</p>"
)


def page(document: Mapping[str, Any]) -> bytes:
    """Render the reference of an OpenAPI document."""
    by_tag: dict[str, list[tuple[str, str, Mapping[str, Any]]]] = {}
    for path, method, operation in operations(dict(document)):
        by_tag.setdefault((operation.get("tags") or ["Other"])[0], []).append((path, method, operation))
    info = document["info"]
    about = f"<p class=soft>Version {html.escape(info['version'])}</p><p>{prose(info.get('description', ''))}</p>"
    sections = "".join(
        f"<section><h2 id='{_anchor(tag)}'>{html.escape(tag)}</h2>"
        + "".join(rendered(document, path, method, operation) for path, method, operation in found)
        + "</section>"
        for tag, found in by_tag.items()
    )
    return framed(f"{info['title']} API", about + INTRO + _index(by_tag) + sections)


def _index(by_tag: Mapping[str, list[tuple[str, str, Mapping[str, Any]]]]) -> str:
    items = "".join(f"<li><a href='#{_anchor(tag)}'>{html.escape(tag)}</a> ({len(by_tag[tag])})" for tag in by_tag)
    return f"<nav aria-label='Subjects'><ul class=index>{items}</ul></nav>"


def _anchor(tag: str) -> str:
    return "subject-" + "".join(each if each.isalnum() else "-" for each in tag.lower())
