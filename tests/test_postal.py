"""Whether two written addresses are one place: unknown is no, and numbers are never run together."""

import ast
import re
from pathlib import Path

import pytest
from msgspec.structs import replace

from app import postal
from app.postal import LONGEST_LINE, Address, in_one_line, same_address, same_place

HOME = Address(
    address1="1-2-3 Nishi", address2="101", city="Shinjuku-ku", state="Tokyo", postcode="160-0022", country="JP"
)
LINE = "160-0022, Tokyo, Shinjuku-ku, 1-2-3 Nishi, 101, JP"


def test_an_address_is_written_in_its_usual_spelling() -> None:
    assert in_one_line(HOME) == LINE
    assert in_one_line(replace(HOME, postcode="〒１６００２２２", state="東京", address2="")) == (
        "160-0222, 東京都, Shinjuku-ku, 1-2-3 Nishi, JP"
    )


@pytest.mark.parametrize(
    "changed",
    [
        {"postcode": "1600022"},
        {"state": "東京都"},
        {"state": "TOKYO-TO"},
        {"address1": "１−２−３　nishi"},
        {"address1": "1ー2ー3 Nishi", "city": "shinjuku ku"},
        {"address1": "1-2-3 Nishi 101", "address2": ""},
    ],
)
def test_spelling_makes_no_other_place(changed: dict[str, str]) -> None:
    assert same_place(in_one_line(replace(HOME, **changed)), LINE)
    assert same_address(replace(HOME, **changed), HOME)


@pytest.mark.parametrize(
    "changed",
    [
        {"address1": "1-23 Nishi"},
        {"address1": "12-3 Nishi"},
        {"address1": "1-2-3-1 Nishi", "address2": "01"},
        {"address2": "102"},
        {"address2": ""},
        {"city": "Shibuya-ku"},
        {"postcode": "160-0023"},
        {"state": "Osaka"},
        {"country": "US"},
    ],
)
def test_whatever_differs_is_another_place(changed: dict[str, str]) -> None:
    assert not same_place(in_one_line(replace(HOME, **changed)), LINE)
    assert not same_address(replace(HOME, **changed), HOME)


@pytest.mark.parametrize("line", ["", " ", ",,-"])
def test_no_address_is_no_place(line: str) -> None:
    assert not same_place(line, line)


def test_a_long_address_is_compared_as_far_as_salesforce_keeps_it() -> None:
    long = replace(HOME, address1="港" * 200, address2="区" * 100)
    assert len(in_one_line(long)) == LONGEST_LINE
    emoji = in_one_line(replace(HOME, address1="🏠" * 200))
    assert len(emoji.encode("utf-16-le")) // 2 <= LONGEST_LINE
    assert same_place(emoji, emoji)


def test_a_prefecture_is_read_from_the_front() -> None:
    assert same_place("東京都府中市1", "Tokyo, 府中市 1")
    assert not same_place("東京都府中市1", "京都府中市1")


def test_two_addresses_are_compared_to_their_end() -> None:
    long = replace(HOME, address1="港" * 200, address2="区" * 100, country="JP")
    assert same_address(long, replace(long, state="東京都"))
    assert not same_address(long, replace(long, address2="区" * 99 + "市"))
    assert in_one_line(long) == in_one_line(replace(long, address2="区" * 99 + "市"))


def test_an_empty_address_is_not_even_itself() -> None:
    nowhere = Address(address1="", address2="", city="", state="", postcode="", country="")
    assert not same_address(nowhere, nowhere)


def test_there_is_one_comparison_of_addresses() -> None:
    """Whoever else folds the parts of an address compares them by another rule."""
    app = Path(postal.__file__).parent
    folding = re.compile(r"unicodedata|casefold|\.lower\(|folded\(")
    parts = re.compile(r"address1|address2|BillingStreet|\.street\b")
    found = {
        str(path.relative_to(app))
        for path in app.rglob("*.py")
        if path != Path(postal.__file__)
        for line in functions(path.read_text())
        if folding.search(line) and parts.search(line)
    }
    assert found == set()


def functions(source: str) -> list[str]:
    """Return the source of each function."""
    tree = ast.parse(source)
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef)
    return [ast.get_source_segment(source, each) or "" for each in ast.walk(tree) if isinstance(each, kinds)]
