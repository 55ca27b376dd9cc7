"""Recovery of a broken JSON object: the complete members before it breaks off, or between stray output."""

import json
import re
from typing import Any

from msgspec import Struct

from app.intake.text import Unreadable, cleaned

_OPENING = re.compile(r'\{\s*"')
_BLANK = re.compile(r"[ \t\r\n]*")
_DECODER = json.JSONDecoder(strict=False)
MOST_OPENINGS = 20
"""Braces tried before giving up: an HTML page has thousands."""


class Salvaged(Struct, frozen=True):
    """The recovered members. Only if the object was `closed` is a missing member really absent."""

    members: dict[str, Any]
    closed: bool


def salvaged(content: bytes, expected: str) -> Salvaged | None:
    """Recover the first object in `content` that has the member `expected`; None if there is none.

    For answers with a warning printed before or after them, and for truncated answers. Only members on the object's own
    level count, and only as far as they can be read.
    """
    text = content.decode("utf-8", "replace")
    for place, found in enumerate(_OPENING.finditer(text)):
        if place >= MOST_OPENINGS:
            return None
        members, closed = _members(text, found.start() + 1)
        if expected in members:
            try:
                return Salvaged(cleaned(members), closed)
            except Unreadable:
                return None
    return None


def _members(text: str, at: int) -> tuple[dict[str, Any], bool]:
    members: dict[str, Any] = {}
    try:
        while True:
            name, at = _DECODER.raw_decode(text, _past_blanks(text, at))
            at = _past_blanks(text, at)
            if not isinstance(name, str) or text[at : at + 1] != ":":
                return members, False
            value, at = _DECODER.raw_decode(text, _past_blanks(text, at + 1))
            at = _past_blanks(text, at)
            if text[at : at + 1] not in (",", "}"):
                return members, False  # a number may go on where the text breaks off
            members[name] = value
            if text[at] == "}":
                return members, True
            at += 1
    except (ValueError, RecursionError):
        return members, False


def _past_blanks(text: str, at: int) -> int:
    found = _BLANK.match(text, at)
    return found.end() if found else at
