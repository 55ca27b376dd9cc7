"""The language that a header prefers, whatever the header says."""

import random

import pytest

from app.words.languages import known, of_whmcs, preferred


@pytest.mark.parametrize(
    ("header", "language"),
    [
        ("ja", "ja"),
        ("en", "en"),
        ("JA-JP", "ja"),
        ("ja-JP,ja;q=0.9,en-US;q=0.8,en;q=0.7", "ja"),
        ("en-US,en;q=0.9,ja;q=0.8", "en"),
        ("en;q=0.5, ja;q=0.9", "ja"),
        ("en, ja", "en"),
        ("ja, en", "ja"),
        ("fr, ja;q=0.1", "ja"),
        ("fr", None),
        ("*", None),
        ("fr, *;q=0.1", None),
        ("ja;q=0.2, *;q=0.1", "ja"),
        ("ja;q=0.2, *", "en"),
        ("ja;q=0", "en"),
        ("en;q=0", "ja"),
        ("en;q=0, *", "ja"),
        ("en;q=0, ja;q=0", None),
        ("ja;q=2", None),
        ("ja;q=", None),
        ("ja;q=-1, en;q=0.1", "en"),
        ("j\u00e4", None),
        ("", None),
        (None, None),
        (",,;;q=,", None),
        ("x" * 10_000, None),
        ("ja, " + "x, " * 5_000, "ja"),
    ],
)
def test_a_header_prefers_a_language_or_leaves_the_choice(header: str | None, language: str | None) -> None:
    assert preferred(header) == language


def test_no_header_fails() -> None:
    letters = "jaenJA-;q=0.1*, \t\x00\xff\"'\\"
    source = random.Random(7)
    for _ in range(3_000):
        header = "".join(source.choices(letters, k=source.randrange(60)))
        assert preferred(header) in ("en", "ja", None)


def test_the_languages_of_whmcs_are_known_in_any_case() -> None:
    assert [of_whmcs(each) for each in ("japanese", " Japanese ", "ENGLISH", "dutch", "", None, 5)] == [
        *("ja", "ja", "en", None, None, None, None)
    ]
    assert [known(each) for each in ("ja", "en", "fr", None)] == ["ja", "en", "en", "en"]
