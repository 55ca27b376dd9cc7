"""Passwords: argon2id at the recommended cost, never on the event loop."""

import asyncio
import time
from collections.abc import Iterable

import pytest
from argon2 import PasswordHasher

from app.commands.identity import password_strength, passwords
from app.errors import InvalidRequest


async def test_a_hash_is_argon2id_and_matches_its_password_only() -> None:
    stored = await passwords.hashed("paper crane lantern 24")
    assert stored.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    assert await passwords.matches(stored, "paper crane lantern 24")
    assert not await passwords.matches(stored, "paper crane lantern 25")
    assert not await passwords.matches("not a hash", "paper crane lantern 24")


async def test_nobodys_password_matches_nothing_though_it_is_tried() -> None:
    assert not await passwords.matches(None, "nobody has this password")


WEAK = {
    "Password1234": "common_password",
    "passwordpasswordpassword": "repetition",
    "P@ssw0rdP@ssw0rd": "repetition",
    "aaaaaaaaaaaaaa": "repetition",
    "abababababab": "repetition",
    "wombatwombat": "repetition",
    "password password": "common_password",
    "Sunshine-sunshine-7": "common_password",
    "p@ssw0rd p@ssw0rd": "common_password",
    "elizabeth\u3000elizabeth": "common_name",
    "password\u200bpassword": "repetition",
    "pass\u200bword\u200b1234": "common_password",
    "(wombat)2026!": "dressed_up",
    "Summer2026!!": "dressed_up",
    "1357924680!?": "dressed_up",
    "123456789012": "dressed_up",
    "12 December 2001": "dressed_up",
    "abcdefghijklmnop": "sequence",
    "さくらさくらさくらさくら": "repetition",
    "ｐａｓｓｗｏｒｄ１２３４": "common_password",
    "elizabeth2001": "common_name",
}


async def refused(password: str, personal: Iterable[str] = ()) -> InvalidRequest | None:
    try:
        await passwords.refuse_weak(password, "new_password", personal=personal)
    except InvalidRequest as error:
        return error
    return None


@pytest.mark.parametrize("weak", WEAK)
async def test_what_is_easy_to_guess_is_refused_and_told_why(weak: str) -> None:
    error = await refused(weak)
    assert error is not None
    assert [(each.field, each.code) for each in error.errors] == [("new_password", "weak_password")]
    assert error.feedback is not None
    assert error.feedback.score < error.feedback.least_score == 3
    assert error.feedback.suggestions[0].code == "more_words"
    assert error.feedback.warning is not None
    assert error.feedback.warning.code == WEAK[weak]
    assert error.errors[0].params == {"score": error.feedback.score, "least_score": 3}


@pytest.mark.parametrize("length", [0, 11, 129, 1024])
async def test_the_length_is_counted_in_the_form_that_is_hashed(length: int) -> None:
    error = await refused(("zq5!xvbkwjpfmRT" * 100)[:length])
    assert error is not None
    assert error.errors[0].params == {"least": 12, "most": 128}
    assert await refused("e\u0301" * 6 + "zqxvb") is not None, "eleven characters on every keyboard"


@pytest.mark.parametrize("short", ["\ufdfa", "\ufdfa\ufdfb", "㌀㌁㌂㌃", "㍿㌫㌶㍑"])
async def test_signs_that_stand_for_many_letters_make_no_long_password(short: str) -> None:
    error = await refused(short)
    assert error is not None
    assert error.errors[0].params == {"least": 12, "most": 128}


@pytest.mark.parametrize(
    "fine",
    [
        "paper crane lantern 24",
        "zqxvbkwjpfmh",
        "zqxvbkwjpfmh" * 10 + "zqxvbkwj",
        "correcthorsebattery correcthorsebattery",
        "4a83a92a17a50a66",
        "正しい馬電池ホチキス留め",
        "correct horse battery staple",
    ],
    ids=["sentence", "shortest", "longest", "strong and repeated", "one letter among digits", "Japanese", "four words"],
)
async def test_other_passwords_are_fine(fine: str) -> None:
    assert await refused(fine) is None


OWN = ("hana.sato@example.jp", "Hanako", "Sato")


@pytest.mark.parametrize(
    "own",
    [
        "Hanako-Sato-1",
        "hana.sato@example.jp",
        "Hanako2024Sato",
        "otaS-okanaH1",
        "satosatosato",
        "h@nak0s@t0!!",
        "portalcustomer1",
    ],
)
async def test_a_password_that_is_made_of_the_users_own_words_or_of_ours_is_refused(own: str) -> None:
    assert await refused(own, OWN)


async def test_what_one_user_is_called_is_no_reason_for_another() -> None:
    assert await refused("zqxvbkwjpfmh", ["zqxvbkwjpfmh"])
    assert await refused("zqxvbkwjpfmh", ["Hanako"]) is None


@pytest.mark.parametrize(
    "long", ["1|74@8({[<369!0$5+%2" * 7, "a" * 128, "pA5$w0rD" * 16, "9" * 128, "qwertyuiop" * 12, "日" * 128]
)
def test_no_password_keeps_a_thread_busy(long: str) -> None:
    began = time.process_time()
    password_strength.rate(long[:128], OWN)
    assert time.process_time() - began < 0.75


def test_every_warning_and_suggestion_is_one_of_ours() -> None:
    from zxcvbn.matching import RANKED_DICTIONARIES

    assert set(RANKED_DICTIONARIES) <= set(password_strength._DICTIONARIES)
    told = {*password_strength._DICTIONARIES.values(), *password_strength._PATTERNS.values(), "dressed_up"}
    assert told == set(password_strength.WARNINGS)


COMPOSED, DECOMPOSED = "pâpier crâne lanterné", "pa\u0302pier cra\u0302ne lanterne\u0301"


async def test_a_password_is_the_same_on_every_keyboard() -> None:
    for first, second in ((COMPOSED, DECOMPOSED), ("ｐａｐｅｒ crane lantern", "paper crane lantern")):
        for stored, given in ((first, second), (second, first)):
            assert await passwords.verdict(await passwords.hashed(stored), given) == "right"


async def test_a_hash_of_the_text_as_it_was_typed_still_matches_and_is_outdated() -> None:
    old = passwords._HASHER.hash(DECOMPOSED)
    assert await passwords.verdict(old, DECOMPOSED) == "outdated"
    assert await passwords.verdict(old, COMPOSED) == "wrong"
    assert await passwords.verdict(passwords._HASHER.hash(COMPOSED), DECOMPOSED) == "right"


async def test_a_hash_of_weaker_parameters_is_outdated() -> None:
    weaker = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash("paper crane lantern 24")
    assert await passwords.verdict(weaker, "paper crane lantern 24") == "outdated"
    assert await passwords.verdict(weaker, "paper crane lantern 25") == "wrong"


async def test_hashing_leaves_the_loop_free() -> None:
    turns = 0

    async def watch() -> None:
        nonlocal turns
        while True:
            await asyncio.sleep(0.001)
            turns += 1

    watcher = asyncio.create_task(watch())
    await asyncio.gather(*(passwords.hashed("paper crane lantern 24") for _ in range(8)))
    watcher.cancel()
    assert turns > 2, "nobody else had a turn meanwhile"
