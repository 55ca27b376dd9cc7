"""The reference page: an index by subject, and every operation."""

import html
from collections.abc import Mapping
from typing import Any

from app.http.answering import page_script
from app.http.openapi.parts import operations
from app.http.reference.frame import framed, prose, table
from app.http.reference.operations import rendered

INTRO = (
    "<p>Names such as <code>payInvoice</code> are those of generated clients. Required fields are marked "
    "<span class=required>yes</span>.</p>"
    "<search><label for=search>Search</label> <input id=search type=search autocomplete=off "
    "placeholder='invoice, placeOrder, /api/cases …'> <output for=search id=found></output></search>"
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
    return framed(
        f"{info['title']} API", about + INTRO + _always(document) + _index(by_tag) + sections + page_script.element()
    )


def _always(document: Mapping[str, Any]) -> str:
    return _headers(document, "headers", "request") + _headers(document, "answer-headers", "answer")


def _headers(document: Mapping[str, Any], anchor: str, kind: str) -> str:
    rows = [
        f"<tr><td><code>{name}</code><td>{prose(each['description'])}</tr>"
        for name, each in document.get(f"x-headers-of-every-{kind}", {}).items()
    ]
    title = f"Headers of every {kind}"
    return f"<h2 id='{anchor}'>{title}</h2>" + table(("Header", "Meaning"), rows, title)


def _index(by_tag: Mapping[str, list[tuple[str, str, Mapping[str, Any]]]]) -> str:
    items = "".join(f"<li><a href='#{_anchor(tag)}'>{html.escape(tag)}</a> ({len(by_tag[tag])})" for tag in by_tag)
    return f"<nav aria-label='Subjects'><ul class=index>{items}</ul></nav>"


def _anchor(tag: str) -> str:
    return "subject-" + "".join(each if each.isalnum() else "-" for each in tag.lower())
