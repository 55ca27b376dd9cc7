"""Samples of an operation for the command line and for a browser."""

import html
from collections.abc import Mapping
from typing import Any

from app.http.openapi.parts import resolved
from app.http.reference import examples
from app.http.reference.schemas import sample

Part = Mapping[str, Any]


def rendered(document: Part, path: str, method: str, operation: Part) -> str:
    """Render a call with curl and one with fetch."""
    body = _body(document, operation)
    needed = _headers(document, operation, body)
    shown = "".join(
        f"<h4>{title}</h4><pre tabindex=0>{html.escape(text)}</pre>"
        for title, text in (("curl", _curl(path, method, needed, body)), ("fetch", _fetch(path, method, needed, body)))
    )
    return f"<details><summary>Samples</summary>{shown}</details>"


def _headers(document: Part, operation: Part, body: str) -> dict[str, str]:
    found = {} if operation.get("security") == [] else {"Authorization": "Bearer TOKEN"}
    if body:
        found["Content-Type"] = "application/json"
    for each in (resolved(document, each) for each in operation.get("parameters", [])):
        if each["in"] == "header" and each.get("required"):
            found[each["name"]] = "A-NEW-KEY-FOR-EACH-REQUEST" if each["name"] == "Idempotency-Key" else "…"
    return found


def _body(document: Part, operation: Part) -> str:
    if "requestBody" not in operation:
        return ""
    recorded = examples.request_of(operation["operationId"])
    return recorded or sample(document, next(iter(operation["requestBody"]["content"].values()))["schema"])


def _curl(path: str, method: str, headers: Mapping[str, str], body: str) -> str:
    lines = [f"curl -X {method.upper()} 'https://API-HOST{path}'"]
    lines += [f"  -H '{name}: {value}'" for name, value in headers.items()]
    quoted = body.replace("'", "'\\''")
    lines += [f"  -d '{quoted}'"] if body else []
    return " \\\n".join(lines)


def _fetch(path: str, method: str, headers: Mapping[str, str], body: str) -> str:
    given = ", ".join(f'"{name}": "{value}"' for name, value in headers.items())
    sent = f", body: JSON.stringify({body})" if body else ""
    return (
        f'const response = await fetch("https://API-HOST{path}", {{ method: "{method.upper()}", '
        f"headers: {{ {given} }}{sent} }});\nconst answer = await response.json();"
    )
