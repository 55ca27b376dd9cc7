"""Documents use the field's words: these belong to this project's past, or to another century."""

import re
from pathlib import Path

import pytest

from tests.docs import markdown
from tests.docs.markdown import documents, name_of

BANNED = {
    "again": r"anew",
    "recently": r"lately",
    "permanently": r"for ever",
    "next to": r"beside",
    "pending": r"untold",
    "rendered": r"drawn|drawing",
    "read model": r"slices?",
    "cache version": r"stamped",
    "future-dated": r"(?:a )?days? to come|put off",
    "cancel": r"take back|taken back",
    "declined": r"in vain",
    "moved": r"vacated",
    "wake": r"doorbells?",
    "sandbox": r"stand-ins?",
    "one per": r"an? \w+ (?:an|a) (?:row|order|process|account|invoice|request)(?=[,.;:)])",
}
"""What to write → what not to."""


def found(text: str) -> list[str]:
    """Find the words to avoid in what people read, so not in code."""
    read = re.sub(r"\s+", " ", markdown.SPAN.sub("", markdown.prose(text)))
    return [
        f"{match[0]}: write {better!r}"
        for better, words in BANNED.items()
        for match in re.finditer(rf"\b(?:{words})\b", read, re.I)
    ]


@pytest.mark.parametrize("document", documents(), ids=name_of)
def test_documents_use_the_fields_words(document: Path) -> None:
    assert found(document.read_text()) == []


def test_such_a_word_is_found_in_prose_and_not_in_code() -> None:
    assert found("It is filled anew.\n\n    anew\n\n`slice` of time") == ["anew: write 'again'"]
    assert found("A row an order, lately.") == ["lately: write 'recently'", "A row an order: write 'one per'"]
