"""One operation of the reference: its parameters, body, answers, errors and samples."""

import html
from collections.abc import Mapping
from typing import Any

from app.http.openapi.parts import resolved
from app.http.reference import errors, examples, samples
from app.http.reference.frame import NO, YES, prose, table
from app.http.reference.schemas import properties_table, sample, type_of

Part = Mapping[str, Any]


def rendered(document: Part, path: str, method: str, operation: Part) -> str:
    """Render an operation that opens on a click, with an anchor of its name."""
    name = operation["operationId"]
    head = (
        f"<span class=method>{method.upper()}</span> <code>{html.escape(path)}</code> "
        f"<span class=soft>{html.escape(operation.get('summary', ''))}</span>"
    )
    parts = (
        f"<p>{prose(operation.get('description', ''))}</p><p>{_access(operation)} Name: <a href='#{name}'>"
        f"<code>{name}</code></a>.</p>",
        _parameters(document, operation),
        _body(document, operation),
        "".join(_answers(document, operation)),
        _errors(operation),
        examples.rendered(name),
        samples.rendered(document, path, method, operation),
    )
    return f"<details id='{name}'><summary>{head}</summary>{''.join(parts)}</details>"


def _access(operation: Part) -> str:
    if operation.get("security") == []:
        return "Needs no session."
    return (
        "Needs a session: <code>Authorization: Bearer</code>, or the cookie with <code>X-CSRF-Token</code> for writes."
    )


def _parameters(document: Part, operation: Part) -> str:
    found = [resolved(document, each) for each in operation.get("parameters", [])]
    rows = [
        f"<tr><td><code>{each['name']}</code><td>{each['in']}<td>{type_of(document, each.get('schema', {}))}"
        f"<td>{YES if each.get('required') else NO}"
        f"<td>{prose(each.get('description') or each.get('schema', {}).get('description') or '')}</tr>"
        for each in found
    ]
    return _titled("Parameters", table(("Name", "In", "Type", "Required", "Meaning"), rows, "Parameters"))


def _body(document: Part, operation: Part) -> str:
    body = operation.get("requestBody")
    if not body:
        return ""
    schema = next(iter(body["content"].values()))["schema"]
    shape = f"<details><summary>Shape</summary><pre tabindex=0>{html.escape(sample(document, schema))}</pre></details>"
    needed = "" if body.get("required", True) else "<p class=soft>May be left out.</p>"
    return _titled("Body", needed + properties_table(document, schema, "Body") + shape)


def _answers(document: Part, operation: Part) -> list[str]:
    found = []
    for status, reference in sorted(operation["responses"].items()):
        if status >= "400":
            continue
        answer = resolved(document, reference)
        parts = f"<p>{prose(answer['description'])}</p>{_headers(document, answer, status)}"
        for content in answer.get("content", {}).values():
            parts += properties_table(document, content.get("schema", {}), f"Answer {status}")
        found.append(_titled(f"Answer {status}", parts))
    return found


def _headers(document: Part, answer: Part, status: str) -> str:
    rows = [
        f"<tr><td><code>{name}</code><td>{prose(resolved(document, each).get('description', ''))}</tr>"
        for name, each in answer.get("headers", {}).items()
    ]
    return table(("Header", "Meaning"), rows, f"Headers of {status}")


def _errors(operation: Part) -> str:
    own = operation.get("x-error-codes", {})
    rows = [
        f"<tr><td>{errors.link(status)}<td>{', '.join(map(_code, own.get(status, ())))}</tr>"
        for status in sorted(operation["responses"])
        if status >= "400"
    ]
    return _titled("Errors", table(("Status", "Codes of this operation"), rows, "Errors"))


def _code(code: str) -> str:
    return f"<a href='/docs/errors#{code}'><code>{code}</code></a>"


def _titled(title: str, content: str) -> str:
    return f"<h4>{title}</h4>{content}" if content else ""
