"""The body of a command as a repetition of it is recognised."""

from typing import Any

import msgspec

from app.intake.words import same_lines

WRITTEN = frozenset({"open_case", "comment_on_case"})
"""Commands whose body is text written by a person."""


def comparable(name: str, body: bytes) -> bytes:
    """Return the body as it is compared. Line endings do not matter in text written by a person."""
    if name not in WRITTEN:
        return body
    address, _, content = body.partition(b"\0")
    try:
        decoded = msgspec.json.decode(content)
    except msgspec.DecodeError:
        return body
    return address + b"\0" + msgspec.json.encode(_normalised(decoded), order="deterministic")


def _normalised(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _normalised(each) for key, each in value.items()}
    return same_lines(value) if isinstance(value, str) else value
