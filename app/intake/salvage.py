"""What a broken JSON object still says: the members that came whole before it breaks off, or between stray output."""

import json
import re
from typing import Any

from msgspec import Struct

from app.intake.text import Unreadable, cleaned

_OPENING = re.compile(r'\{\s*"')
_BLANK = re.compile(r"[ \t\r\n]*")
_DECODER = json.JSONDecoder(strict=False)
MOST_OPENINGS = 20
"""Braces to try before giving up: a page of HTML has thousands."""


class Salvaged(Struct, frozen=True):
    """The members found, and whether the object was closed: only then is a member that is not there absent."""

    members: dict[str, Any]
    closed: bool


def salvaged(content: bytes, expected: str) -> Salvaged | None:
    """The first object in `content` that has the member `expected`; nothing when there is none.

    For answers with a warning printed before or after them, and for answers that were cut short. Only what stands on
    the object's own level counts, and only as far as it can be read.
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
