"""Text that people write: one line is one line, several lines hold nothing that is not to be seen."""

import sys
import unicodedata

import pytest

from app.inputs import text
from app.inputs.rule import Unfit
from app.inputs.text import LINE, LINE_OR_NOTHING, LINES, one_line, said, several_lines

HARMFUL = [
    chr(point)
    for point in range(sys.maxunicode + 1)
    if unicodedata.category(chr(point)) in ("Cc", "Cf", "Zl", "Zp", "Cs") and chr(point) not in "\u200c\u200d"
]


def refused(given: str) -> bool:
    try:
        one_line(given)
    except Unfit as unfit:
        return unfit.code == "control_character"
    return False


def test_every_control_and_format_character_of_unicode_is_refused_in_a_line() -> None:
    assert len(HARMFUL) > 200
    assert [hex(ord(each)) for each in HARMFUL if not refused(f"Hana{each}ko")] == []
    assert [hex(ord(each)) for each in HARMFUL if not refused(f"Hanako{each}")] == [], "at the end too"


@pytest.mark.parametrize(
    "given",
    [
        "a\r\nBcc: victim@example.com",
        "\x1b[2J\x1b[H",
        "Hana\u202eokan",
        "Ha\u2066na",
        "a\u2028b",
        "tab\tulator",
        "\ufeffHana",
        "a\u200bb",
        "a\ufffeb",
        "a\U000e0041b",
        "\x85next",
        "Hana\u3164",
        "\u115f\u1160",
        "Ha\u2800na",
        "\uffa0",
    ],
)
def test_what_breaks_a_line_or_hides_in_it_is_refused(given: str) -> None:
    assert refused(given)


@pytest.mark.parametrize(
    ("given", "usual"),
    [
        ("  Hana \u3000 Sato ", "Hana Sato"),
        ("Nguye\u0302\u0303n", "Nguyễn"),
        ("O\u2019Brien-Łukasz", "O\u2019Brien-Łukasz"),
        ("葛\U000e0100城", "葛\U000e0100城"),
        ("می\u200cخواهم", "می\u200cخواهم"),
        ("\U0001f469\u200d\U0001f4bb", "\U0001f469\u200d\U0001f4bb"),
        ("株式会社㈱", "株式会社㈱"),
        ("a\xa0b", "a b"),
        ("\ue000", "\ue000"),
    ],
    ids=[
        "blanks",
        "composed",
        "signs",
        "variant of a kanji",
        "Persian",
        "emoji",
        "no other letters",
        "no-break",
        "a kanji of one's own",
    ],
)
def test_names_of_the_world_are_taken_as_they_are_written(given: str, usual: str) -> None:
    assert one_line(given) == usual


def test_a_line_of_blanks_is_none() -> None:
    with pytest.raises(Unfit) as unfit:
        LINE.read(" \u3000 ")
    assert unfit.value.code == "field_empty"
    assert LINE_OR_NOTHING.read(" \u3000 ") == ""


@pytest.mark.parametrize("given", ["\u200d", "\u200c \u200d", "\u0301", "\ufe0f", "\U000e0100", "\u034f"])
def test_what_shows_nothing_is_none_either(given: str) -> None:
    for rule in (LINE, LINES):
        with pytest.raises(Unfit) as unfit:
            rule.read(given)
        assert unfit.value.code == "field_empty"
    assert LINE_OR_NOTHING.read(given) == ""


def test_letters_that_are_blank_are_lost_from_several_lines() -> None:
    assert several_lines("a\u3164b\n\u2800") == "ab"


def test_several_lines_keep_their_lines_and_lose_what_is_not_to_be_seen() -> None:
    assert several_lines(" a\r\nb\rc\u2028d\te ") == "a\nb\nc\nd\te"
    dirty = "".join(each for each in HARMFUL if each not in "\r\n\t\u2028\u2029" and not "\ud800" <= each <= "\udfff")
    assert several_lines(f"a{dirty}b") == "ab"


def test_what_is_quoted_is_one_line_and_not_endless() -> None:
    assert said("a\r\nBcc: b\x1b[2J") == "a Bcc: b [2J"
    assert len(said("x" * 1_000)) == 200
    assert said("fine") == "fine"


def test_a_usual_line_costs_no_look_at_each_character(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(text, "is_harmful", None)
    assert one_line("Hanako 佐藤") == "Hanako 佐藤"
