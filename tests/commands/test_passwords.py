"""Passwords: argon2id at the recommended cost, never on the event loop."""

import asyncio

import pytest

from app.commands import passwords


async def test_a_hash_is_argon2id_and_matches_its_password_only() -> None:
    stored = await passwords.hashed("paper crane lantern 24")
    assert stored.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    assert await passwords.matches(stored, "paper crane lantern 24")
    assert not await passwords.matches(stored, "paper crane lantern 25")
    assert not await passwords.matches("not a hash", "paper crane lantern 24")


async def test_nobodys_password_matches_nothing_though_it_is_tried() -> None:
    assert not await passwords.matches(None, "nobody has this password")


@pytest.mark.parametrize("weak", ["short", "x" * 129, "Password1234", "aaaaaaaaaaaaaa", "abababababab"])
def test_weak_passwords_are_refused_with_a_sentence(weak: str) -> None:
    assert passwords.weakness(weak)


def test_a_long_sentence_is_fine() -> None:
    assert passwords.weakness("paper crane lantern 24") is None


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
