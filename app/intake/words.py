"""Comparison of text from outside by meaning, not by typing."""

import unicodedata
from collections.abc import Iterable

from msgspec import Meta


def one_of(words: Iterable[str]) -> Meta:
    """Publish the words of a text, without checking them: documents of the release before may have others.

    Every list of words that an upstream decides has one for whatever is none of the others.
    """
    return Meta(extra_json_schema={"extra": {"enum": list(words)}})


def folded(value: object) -> str:
    """Normalise a picklist value or status for lookup: case, width and extra blanks do not matter.

    A value that is not text is the empty string.
    """
    if not isinstance(value, str):
        return ""
    return " ".join(unicodedata.normalize("NFKC", value).casefold().split())


def same_lines(text: str) -> str:
    """Normalise text for comparison: one kind of line ending, composed letters, no blanks around it.

    A browser's `\\r\\n` and an upstream's `\\n` compare as equal.
    """
    return unicodedata.normalize("NFC", text.replace("\r\n", "\n").replace("\r", "\n")).strip()
