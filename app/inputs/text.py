"""Free text: names and subjects are one line, descriptions several."""

import unicodedata
from typing import Annotated

from app.inputs.rule import Rule, Unfit
from app.words.sentence import say

ZERO_WIDTH_NON_JOINER, ZERO_WIDTH_JOINER = "\u200c", "\u200d"
_JOINERS = frozenset((ZERO_WIDTH_NON_JOINER, ZERO_WIDTH_JOINER))
"""Invisible, but required in Persian, Indian languages and emoji."""
_HARMFUL = frozenset(("Cc", "Cf", "Zl", "Zp", "Cs"))
"""Unicode's categories of control, format (text direction, zero width), line and paragraph separator, surrogate."""
_UNSEEN = _HARMFUL | {"Zs", "Mn", "Me"}
"""Those that show nothing without a letter: blanks, joiners, marks on letters, variants of them."""
_NO_CHARACTERS = range(0xFDD0, 0xFDF0)
_FILLERS = frozenset("\u115f\u1160\u2800\u3164\uffa0")
"""Letters and a sign to Unicode, and blank to everybody who looks at them."""


def is_harmful(char: str) -> bool:
    """Return true for a character that breaks lines, steers a terminal, reverses text or is invisible."""
    if char in _FILLERS:
        return True
    if char.isprintable() or char in _JOINERS:
        return False
    return unicodedata.category(char) in _HARMFUL or ord(char) in _NO_CHARACTERS or ord(char) & 0xFFFE == 0xFFFE


def _is_plain(text: str) -> bool:
    """Whether nothing in a text can be harmful."""
    return text.isprintable() and (text.isascii() or _FILLERS.isdisjoint(text))


def _seen(text: str) -> str:
    """Return the text, or an empty one if nothing of it is visible."""
    return text if any(unicodedata.category(each) not in _UNSEEN for each in text) else ""


def one_line(text: str) -> str:
    """Normalise one line: composed letters, one blank between words; empty if nothing of it is visible.

    Raises:
        Unfit: `control_character`: a line break, a tab or an invisible character.
    """
    if not _is_plain(text) and any(map(is_harmful, text)):
        raise Unfit("control_character", say("fields.one_line"))
    return _seen(" ".join((text if text.isascii() else unicodedata.normalize("NFC", text)).split()))


def said(text: str, most: int = 200) -> str:
    """Fit our own or an upstream's text into one line.

    Harmful characters become blanks, and what is too long is cut.
    """
    line = " ".join("".join(" " if is_harmful(each) else each for each in text).split())
    return line if len(line) <= most else f"{line[: most - 1]}…"


def several_lines(text: str) -> str:
    """Normalise pasted text: one kind of line break, no invisible characters."""
    plain = text.replace("\r\n", "\n").replace("\r", "\n").replace("\u2028", "\n").replace("\u2029", "\n")
    if not _is_plain(plain):
        plain = "".join(each for each in plain if each in "\n\t" or not is_harmful(each))
    return _seen(unicodedata.normalize("NFC", plain).strip())


LINE, LINE_OR_NOTHING = Rule(one_line), Rule(one_line, may_be_blank=True)
LINES, LINES_OR_NOTHING = Rule(several_lines), Rule(several_lines, may_be_blank=True)

FileName = Annotated[str, Rule(said)]
"""A file's name, which nobody typed: characters that a line would refuse become blanks."""
Line = Annotated[str, LINE]
"""A name, an address line, a subject, a reason: one line, not blank."""
LineOrNothing = Annotated[str, LINE_OR_NOTHING]
Lines = Annotated[str, LINES]
"""A description or comment: several lines, not blank."""
LinesOrNothing = Annotated[str, LINES_OR_NOTHING]
