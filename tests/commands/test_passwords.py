"""Passwords: argon2id at the recommended cost, never on the event loop."""

import asyncio

import pytest

from app.commands import passwords
from app.errors import InvalidRequest


async def test_a_hash_is_argon2id_and_matches_its_password_only() -> None:
    stored = await passwords.hashed("paper crane lantern 24")
    assert stored.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    assert await passwords.matches(stored, "paper crane lantern 24")
    assert not await passwords.matches(stored, "paper crane lantern 25")
    assert not await passwords.matches("not a hash", "paper crane lantern 24")


async def test_nobodys_password_matches_nothing_though_it_is_tried() -> None:
    assert not await passwords.matches(None, "nobody has this password")


@pytest.mark.parametrize(
    "weak",
    [
        "zqxvbkwjpfm",
        "zqxvbkwjpfmh" * 11,
        "Password1234",
        "aaaaaaaaaaaaaa",
        "abababababab",
        "xqzxqqzzxxqz",
        "wombatwombat",
        "(wombat)2026!",
        "1357924680!?",
    ],
    ids=["short", "long", "common", "one", "two", "three", "twice", "dressed up", "digits"],
)
def test_weak_passwords_are_refused_with_a_sentence(weak: str) -> None:
    assert passwords.weakness(weak)


@pytest.mark.parametrize(
    "fine",
    [
        "paper crane lantern 24",
        "zqxvbkwjpfmh",
        "zqxvbkwjpfmh" * 10 + "zqxvbkwj",
        "xqzjxxqqzzjj",
        "wombatzqxvbk",
        "zqxvbkzqxvbk",
    ],
    ids=["sentence", "shortest", "longest", "four", "half common", "rare twice"],
)
def test_other_passwords_are_fine(fine: str) -> None:
    assert passwords.weakness(fine) is None


@pytest.mark.parametrize(
    ("password", "personal"),
    [
        ("hanakozqxvbk", ["Hanako Sato"]),
        ("Hanako-Sato-1", ["Hanako", "Sato"]),
        ("hanahanazqxv", ["hana"]),
        ("hanakozqxvbk", ["hana", "hanako"]),
        ("hanasatozqxv", ["hana.sato@example.jp"]),
        ("satoexamplez", ["hana.sato@example.jp"]),
        ("portalzqxvbk", []),
    ],
)
def test_a_password_that_is_made_of_the_users_name_or_address_or_of_ours_is_refused(
    password: str, personal: list[str]
) -> None:
    assert "made of" in (passwords.weakness(password, personal=personal) or "")


@pytest.mark.parametrize(
    ("password", "personal"),
    [
        ("hanakozqxvbkw", ["Hanako"]),
        ("anaanaanazqx", ["Ana"]),
        ("portal of the paper crane", ["Hanako"]),
    ],
    ids=["seven letters more", "a short name", "a sentence"],
)
def test_a_name_within_a_longer_password_is_fine(password: str, personal: list[str]) -> None:
    assert passwords.weakness(password, personal=personal) is None


def test_a_refusal_names_the_field() -> None:
    with pytest.raises(InvalidRequest) as refused:
        passwords.refuse_weak("Password1234", "new_password")
    assert [(each.field, each.code) for each in refused.value.errors] == [("new_password", "weak_password")]
    passwords.refuse_weak("paper crane lantern 24", "new_password", personal=["Hanako"])


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
