"""Recorded examples of operations, from docs/examples.json."""

import html
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

import msgspec

_CHECKOUT = Path(__file__).parents[3] / "docs" / "examples.json"


@cache
def recorded() -> dict[str, dict[str, Any]]:
    """Read the examples by operation: from the checkout, or from the package that was built of it."""
    packaged = resources.files("app.http.reference") / "examples.json"
    text = _CHECKOUT.read_bytes() if _CHECKOUT.exists() else packaged.read_bytes()
    found: dict[str, dict[str, Any]] = msgspec.json.decode(text)
    return found


def request_of(name: str) -> str:
    """Write the request's body of an operation as JSON; empty if it has none."""
    return _written(recorded().get(name, {}).get("request"))


def rendered(name: str) -> str:
    """Render the request and the answer of an operation."""
    example = recorded().get(name)
    if example is None:
        return ""
    parts = (("Request", request_of(name)), (f"Answer {example['status']}", _written(example["response"])))
    shown = "".join(f"<h5>{title}</h5><pre tabindex=0>{html.escape(text)}</pre>" for title, text in parts if text)
    origin = "From a sample customer's journey." if example["recorded"] else "Made of the schema."
    return f"<details><summary>Example</summary><p class=soft>{origin}</p>{shown}</details>" if shown else ""


def _written(value: Any) -> str:
    return "" if value is None else msgspec.json.format(msgspec.json.encode(value), indent=2).decode()
