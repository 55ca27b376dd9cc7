"""One vocabulary of billing cycles: every spelling of an upstream is one of its words, and nobody else spells any."""

import re
from pathlib import Path
from typing import get_args

import pytest

from app.intake.billing_cycles import MONTHS, BillingCycle, cycle_of

ROOT = Path(__file__).parents[2] / "app"
SPELT = re.compile(r"""["'](?:one[-_ ]?time|semi[-_ ]?annual(?:ly)?|free[-_ ]account|biennially)["']""", re.I)


@pytest.mark.parametrize(
    ("word", "cycle"),
    [
        ("Free Account", "free"),
        ("free", "free"),
        ("One Time", "onetime"),
        ("One-Time", "onetime"),
        ("one_time", "onetime"),
        ("Onetime", "onetime"),
        ("ＯＮＥＴＩＭＥ", "onetime"),
        (" Monthly ", "monthly"),
        ("Quarterly", "quarterly"),
        ("Semi-Annually", "semiannually"),
        ("semi annually", "semiannually"),
        ("Annually", "annually"),
        ("Biennially", "biennially"),
        ("TRIENNIALLY", "triennially"),
        ("", "unknown"),
        ("Fortnightly", "unknown"),
        ("unknown", "unknown"),
        (None, "unknown"),
        (12, "unknown"),
        (["Monthly"], "unknown"),
    ],
)
def test_every_spelling_is_one_word(word: object, cycle: str) -> None:
    assert cycle_of(word) == cycle


def test_a_word_of_the_vocabulary_stays_itself() -> None:
    assert [cycle_of(word) for word in get_args(BillingCycle)] == list(get_args(BillingCycle))
    assert MONTHS == {
        "monthly": 1,
        "quarterly": 3,
        "semiannually": 6,
        "annually": 12,
        "biennially": 24,
        "triennially": 36,
    }


def test_no_other_module_spells_a_cycle() -> None:
    spelling = {path.relative_to(ROOT).as_posix() for path in ROOT.rglob("*.py") if SPELT.search(path.read_text())}
    assert spelling == {"intake/billing_cycles.py"}
