"""Write docs/examples.json: one request and one answer of every operation.

`python -m tests.docs.record_examples` runs the demo and records what it sends and receives; what the demo does not
reach is made of the schemas. Secrets are replaced, and lists cut to two items.
"""

import contextlib
import json
import sys
from collections.abc import Mapping
from functools import wraps
from pathlib import Path
from typing import Any

import httpx

from app.cli.commands import main
from app.cli.document import openapi_document
from app.http.openapi.parts import operations, resolved
from tests.docs.made_examples import made
from tests.fixtures.conformity import operation_of

TARGET = Path(__file__).parents[2] / "docs" / "examples.json"
SECRETS = frozenset({"token", "csrf_token", "signup_token", "link_token", "consistency_token", "password", "code"})
MOST_ITEMS = 2

Example = dict[str, Any]
RECORDED: dict[str, Example] = {}


def listen() -> None:
    """Record from now on what clients of HTTP in this process send and receive."""
    send = httpx.AsyncClient.send

    @wraps(send)
    async def sent(self: Any, *args: Any, **named: Any) -> httpx.Response:
        response = await send(self, *args, **named)
        _note(response)
        return response

    httpx.AsyncClient.send = sent  # type: ignore[method-assign]


def _note(response: httpx.Response) -> None:
    request = response.request
    found = operation_of(request.method, request.url.path) if "x-request-id" in response.headers else None
    if found is None or not response.is_success or not response.is_closed:
        return
    body = json.loads(request.content) if request.content else None
    is_json = response.headers.get("content-type", "").startswith("application/json")
    RECORDED[found["operationId"]] = {
        "request": _shown(body),
        "status": response.status_code,
        "response": _shown(response.json()) if is_json else None,
        "recorded": True,
    }


def _shown(value: Any, name: str = "") -> Any:
    """Replace secrets, and cut lists."""
    if isinstance(value, dict):
        return {key: _shown(each, key) for key, each in value.items()}
    if isinstance(value, list):
        return [_shown(each, name) for each in value[:MOST_ITEMS]]
    is_secret = name in SECRETS and isinstance(value, str) and not value.islower()
    return f"{name.upper()}-{'0' * 12}" if is_secret or (name.endswith("password") and value) else value


def example_of(document: Mapping[str, Any], operation: Mapping[str, Any]) -> Example:
    """Make an example of an operation that was not recorded."""
    status = min(each for each in operation["responses"] if each < "300")
    return {
        "request": _made(document, operation.get("requestBody", {})),
        "status": int(status),
        "response": _made(document, resolved(document, operation["responses"][status])),
        "recorded": False,
    }


def _made(document: Mapping[str, Any], part: Mapping[str, Any]) -> Any:
    content = part.get("content", {}).get("application/json")
    return made(document, content["schema"]) if content else None


def run() -> None:
    """Run the demo, and write the file."""
    listen()
    with contextlib.suppress(SystemExit):
        main(["demo", "--exit"])
    if not RECORDED:
        sys.exit("The demo was not recorded.")
    write()


def write() -> None:
    """Write what was recorded, and make the rest; what was recorded before stays."""
    document = json.loads(openapi_document())
    before = json.loads(TARGET.read_text()) if TARGET.exists() else {}
    kept = {name: each for name, each in before.items() if each["recorded"]} | RECORDED
    found = {
        operation["operationId"]: kept.get(operation["operationId"]) or example_of(document, operation)
        for _, _, operation in operations(document)
    }
    TARGET.write_text(json.dumps(dict(sorted(found.items())), indent=1, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    run()
