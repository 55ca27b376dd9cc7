"""Number-like fields: any width and hyphen that a Japanese keyboard makes, and then ASCII only, matched as a whole."""

import sys
import unicodedata
from collections.abc import Callable

import pytest

from app.inputs import numbers
from app.inputs.rule import Unfit

EID = "89012345678901234567890123456789"
WIDE = EID.translate({ord("0") + n: 0xFF10 + n for n in range(10)})
ARABIC = EID.translate({ord("0") + n: 0x660 + n for n in range(10)})
HYPHENS = [chr(point) for point in range(sys.maxunicode + 1) if unicodedata.category(chr(point)) == "Pd"] + list(
    "−ー﹣－ｰ⁃˗"
)


def refused(rule: Callable[[str], str], given: str) -> bool:
    try:
        rule(given)
    except Unfit:
        return True
    return False


@pytest.mark.parametrize("hyphen", HYPHENS, ids=lambda each: f"{ord(each):04x}")
def test_every_hyphen_is_one(hyphen: str) -> None:
    assert numbers.folded(f"090{hyphen}1234") == "090-1234"


@pytest.mark.parametrize(
    "given",
    [
        EID,
        WIDE,
        f" {EID}\n",
        "-".join(EID[at : at + 4] for at in range(0, 32, 4)),
        "−".join(WIDE[at : at + 4] for at in range(0, 32, 4)),
        "\u3000".join(EID[at : at + 8] for at in range(0, 32, 8)),
        f"\u202a{EID}\u202c",
    ],
    ids=["plain", "wide", "newline", "hyphens", "wide and minus", "wide blanks", "pasted from a telephone"],
)
def test_an_eid_however_it_is_typed(given: str) -> None:
    assert numbers.eid(given) == EID


@pytest.mark.parametrize("given", [ARABIC, EID[:-1], EID + "1", EID[:-1] + "½", EID[:-1] + "O", "", EID[:-1] + "\n1x"])
def test_what_is_no_eid_is_refused(given: str) -> None:
    assert refused(numbers.eid, given)


@pytest.mark.parametrize("script", ["٠١٢٣٤٥٦٧٨٩", "०१२३४५६७८९", "𝟎𝟏𝟐𝟑𝟒𝟓𝟔𝟕𝟖𝟗", "໐໑໒໓໔໕໖໗໘໙"])
def test_digits_of_other_scripts_are_no_digits_unless_they_are_only_another_shape(script: str) -> None:
    folded = numbers.folded(script)
    assert numbers.is_digits(folded, 10) == (folded == "0123456789")
    assert refused(numbers.phone, script) != (folded == "0123456789")


@pytest.mark.parametrize(
    ("given", "usual"),
    [
        ("０３－１２３４－５６７８", "03-1234-5678"),
        ("+81 3 1234 5678", "+81 3 1234 5678"),
        ("（03）1234ー5678", "(03)1234-5678"),
        ("03‐1234−5678", "03-1234-5678"),
        ("\u202d0312345678\u202c", "0312345678"),
    ],
)
def test_telephone_numbers(given: str, usual: str) -> None:
    assert numbers.phone(given) == usual


@pytest.mark.parametrize("given", ["٠٣-١٢٣٤-٥٦٧٨", "12345", "------", "03-1234-5678 x", "0312+345678", ""])
def test_what_is_no_telephone_number_is_refused(given: str) -> None:
    assert refused(numbers.phone, given)


@pytest.mark.parametrize(
    ("given", "usual"),
    [("１６０−００２２", "160-0022"), ("〒160ー0022", "160-0022"), ("SW1A 1AA", "SW1A 1AA"), ("1600022", "1600022")],
)
def test_postal_codes(given: str, usual: str) -> None:
    assert numbers.postcode(given) == usual


@pytest.mark.parametrize("given", ["١٦٠-٠٠٢٢", "160_0022", "-", "", "1" * 21])
def test_what_is_no_postal_code_is_refused(given: str) -> None:
    assert refused(numbers.postcode, given)


def test_customer_numbers_countries_and_promotion_codes() -> None:
    assert numbers.customer_number("Ｃ－００１２３４ ") == "C-001234"
    assert numbers.customer_number("C−001234") == "C-001234"
    assert numbers.country("ＪＰ") == "JP"
    assert numbers.promo_code("ＳＡＫＵＲＡ－24") == "SAKURA-24"
    assert all(refused(numbers.customer_number, each) for each in ("C-٠٠١", "", "x" * 41, "番号1"))
    assert all(refused(numbers.country, each) for each in ("jp", "JPN", "JP\nX", "日本", ""))
    assert all(refused(numbers.promo_code, each) for each in ("A B", "", "%", "x" * 51))


@pytest.mark.parametrize("given", ["１２３ ４５６", "123-456", "123−456", "123456\n", "１２３ー４５６"])
def test_codes_of_an_app(given: str) -> None:
    assert numbers.code(given) == "123456"


def test_recovery_codes() -> None:
    assert numbers.code("abcde−12345—ABCDE‐ｆ0000") == "ABCDE12345ABCDEF0000"


def test_amounts_that_are_none_do_not_count_as_nothing() -> None:
    assert [numbers.amount(each) for each in ("１０００", "-5", "12.50", " 0 ")] == ["1000", "-5", "12.50", "0"]
    assert all(
        refused(numbers.amount, each) for each in ("abc", "NaN", "1e9", "٣٠٠", "", "1,000", "9" * 13, "Infinity")
    )
    assert numbers.currency("ＪＰＹ") == "JPY"
    assert all(refused(numbers.currency, each) for each in ("yen", "JPYX", "", "円"))
