"""docs/asvs.md: every requirement of levels 1 and 2 has its row, and every row shows what it says."""

import re
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]
DOCUMENT = TESTS.parent / "docs" / "asvs.md"
STANDARD = Path(__file__).with_name("asvs_5_0.txt")
"""Number and level of each requirement of levels 1 and 2, from the standard's own list."""
ROW = re.compile(r"^\| (V\d+\.\d+\.\d+) \| ([12]) \| (.+?) \| ?(.*?) ?\|$", re.M)
ABSENT = re.compile(r"^Does not apply: ((?:V[\d.]+\d(?:, )?)+)\. (.+)$", re.M)
NAMED = re.compile(r"`([\w/]+\.py)(?:::(test_\w+))?`")


def wanted() -> dict[str, str]:
    return dict(line.split() for line in STANDARD.read_text().splitlines())


def rows() -> list[tuple[str, str, str, str]]:
    return [(found[1], found[2], found[3], found[4]) for found in ROW.finditer(DOCUMENT.read_text())]


def absent() -> list[str]:
    return [each for found in ABSENT.finditer(DOCUMENT.read_text()) for each in found[1].split(", ")]


def test_every_requirement_is_there_once_under_its_level() -> None:
    told = [(number, level) for number, level, _, _ in rows()]
    assert len(told) == len({number for number, _ in told})
    assert set(absent()) & {number for number, _ in told} == set()
    assert len(absent()) == len(set(absent()))
    assert dict(told) | {number: wanted()[number] for number in absent()} == wanted()


def test_every_chapter_is_there_and_a_row_stands_in_its_own() -> None:
    chapters = re.split(r"^## (V\d+) .+$", DOCUMENT.read_text(), flags=re.M)[1:]
    assert chapters[::2] == [f"V{number}" for number in range(1, 18)]
    for chapter, text in zip(chapters[::2], chapters[1::2], strict=True):
        numbers = [found[1] for found in ROW.finditer(text)] + [
            each for found in ABSENT.finditer(text) for each in found[1].split(", ")
        ]
        assert numbers, chapter
        assert {number.split(".")[0] for number in numbers} == {chapter}


@pytest.mark.parametrize(("number", "_", "how", "shown"), rows(), ids=[row[0] for row in rows()])
def test_a_row_shows_tests_that_exist_or_gives_a_reason(number: str, _: str, how: str, shown: str) -> None:
    named = NAMED.findall(shown)
    assert named or re.match(r"Reason: \S+", how), number
    assert re.sub(NAMED.pattern + r"|<br>", "", shown).strip() == "", "nothing else"
    for file, test in named:
        assert (TESTS / file).is_file(), file
        assert re.search(rf"^(async )?def {test or 'test_'}", (TESTS / file).read_text(), re.M), f"{file}::{test}"
        if test:
            assert re.search(rf"def {test}\(", (TESTS / file).read_text()), f"{file}::{test}"


@pytest.mark.parametrize("found", list(ABSENT.finditer(DOCUMENT.read_text())), ids=lambda found: found[1][:20])
def test_what_does_not_apply_says_why(found: re.Match[str]) -> None:
    assert len(found[2].split()) >= 2
    for file, test in NAMED.findall(found[2]):
        assert re.search(rf"def {test}\(", (TESTS / file).read_text()), f"{file}::{test}"
