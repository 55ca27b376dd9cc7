"""Weaknesses of passwords that zxcvbn underrates, case by case."""

import pytest

from app.commands.identity import password_strength
from app.commands.identity.password_strength import rate

SATO = ("hana.sato@example.jp", "Hanako", "Sato")


@pytest.mark.parametrize(("password", "score"), [("tulip harbour", 3), ("purple lantern 24", 4)])
def test_what_is_good_enough_has_its_score_and_no_warning(password: str, score: int) -> None:
    found = rate(password, SATO)
    assert (found.score, found.least_score, found.warning, found.suggestions) == (score, 3, None, [])


@pytest.mark.parametrize("password", ["Summer2026!!", "wombat(2026)!", "(wombatwombat)2026!?"])
def test_a_common_word_or_twice_one_stays_guessable_however_it_is_dressed(password: str) -> None:
    found = rate(password, ())
    assert found.warning
    assert (found.score, found.warning.code) == (2, "dressed_up")


@pytest.mark.parametrize("password", ["(wombatstapler)2026!?", "(stapler7wombat)2026"])
def test_two_words_are_no_word_twice(password: str) -> None:
    assert rate(password, ()).warning is None


@pytest.mark.parametrize("password", ["Hanako-Sato-7734", "4377-otaS-okanaH", "H@n@k0-S@t0-77", "77-0t@S-0k@n@H"])
def test_own_words_with_little_between_them_are_refused_forwards_and_backwards(password: str) -> None:
    found = rate(password, SATO)
    assert found.warning
    assert (found.score, found.warning.code) == (2, "own_words")


def test_an_own_word_in_a_longer_password_is_fine() -> None:
    assert rate("Hanako likes purple lanterns", SATO).warning is None


def test_of_own_words_the_longest_is_taken_first() -> None:
    assert password_strength._is_made_of("satorinagasaki12", ["sat", "satorinagasaki"])
    assert not password_strength._is_made_of("wombat", ["sat"])


def test_own_words_are_the_parts_of_names_and_addresses_and_each_as_a_whole() -> None:
    found = password_strength._words(["hana.sato@example.jp", "Rie", ""])
    assert found == ["hana.sato@example.jp", "rie", "hana", "sato", "example", "rie"]


def test_signs_past_the_sixth_stand_for_no_letter_and_stay_apart() -> None:
    signs = "@4301!$57(["
    found = password_strength._bounded(signs * 8)
    assert found[:6] == signs[:6]
    assert len(set(found[:11])) == 11
    assert not set(found[6:11]) & set(signs)
    assert len(found.encode()) > len(found) == password_strength.LONGEST_RATED
