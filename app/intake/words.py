"""Words and text of the outside world, compared by what they say and not by how they were typed."""

import unicodedata


def folded(value: object) -> str:
    """A picklist's or status's word as it is looked up: case, width and surrounding or doubled blanks do not matter.

    What is no text has no word.
    """
    if not isinstance(value, str):
        return ""
    return " ".join(unicodedata.normalize("NFKC", value).casefold().split())


def same_lines(text: str) -> str:
    """Text as people compare it: one kind of line ending, composed letters, no blanks around it.

    What a browser sends as `\\r\\n` and what an upstream gives back as `\\n` are the same words.
    """
    return unicodedata.normalize("NFC", text.replace("\r\n", "\n").replace("\r", "\n")).strip()
