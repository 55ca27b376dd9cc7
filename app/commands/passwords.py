"""Passwords: argon2id, hashed in a thread so that a login never stalls the other requests.

Rules after NIST SP 800-63B: length, and nothing that is known to be common or is made of the user's own name or
address; no rules about kinds of characters.
"""

import asyncio
from collections.abc import Iterable

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from zxcvbn.frequency_lists import FREQUENCY_LISTS

from app.errors import InvalidRequest, Overloaded, Violation

SHORTEST, LONGEST = 12, 128
COMMON = frozenset(FREQUENCY_LISTS["passwords"]) | frozenset(FREQUENCY_LISTS["english_wikipedia"])
"""30,000 passwords and as many words, in lower case. Most are shorter than 12: their repetitions and extensions count
too."""
PRODUCT_WORDS = ("portal", "customer")
SHORTEST_WORD = 4

_HASHER = PasswordHasher(time_cost=2, memory_cost=19_456, parallelism=1)  # OWASP: argon2id, 19 MiB, t=2, p=1
_NOBODY = _HASHER.hash("nobody has this password")
MOST_WAITING = 64
"""Beyond this nobody waits: hashing is bounded by the processor, and a queue would only grow."""


class _Turns:
    """One hash at a time in a process, so that a flood of logins leaves a core to everybody else."""

    def __init__(self) -> None:
        self._turn = asyncio.Semaphore(1)
        self._waiting = 0

    async def __aenter__(self) -> None:
        if self._waiting >= MOST_WAITING:
            raise Overloaded(
                "Very many are logging in at the moment. Please try again in a few seconds.", code="too_many_logins"
            )
        self._waiting += 1
        try:
            await self._turn.acquire()
        finally:
            self._waiting -= 1

    async def __aexit__(self, *_: object) -> None:
        self._turn.release()


_TURNS = _Turns()


def weakness(password: str, *, personal: Iterable[str] = ()) -> str | None:
    """Why a password is refused, as a sentence; None when it is fine. `personal` are the user's names and address."""
    if not SHORTEST <= len(password) <= LONGEST:
        return f"Use {SHORTEST} to {LONGEST} characters."
    plain = password.lower()
    if _is_common(plain) or len(set(plain)) < 4:
        return "This password is too easy to guess. Use another one."
    if _is_made_of(plain, [*_words(personal), *PRODUCT_WORDS]):
        return "This password is made of your name, your address or ours. Use another one."
    return None


def refuse_weak(password: str, field: str, *, personal: Iterable[str] = ()) -> None:
    """Raise what `weakness` says about a field of a request.

    Raises:
        InvalidRequest: `errors` with code `weak_password`.
    """
    if sentence := weakness(password, personal=personal):
        raise InvalidRequest("Please choose another password.", errors=[Violation(field, "weak_password", sentence)])


def _is_common(plain: str) -> bool:
    """A common password, twice one, or one with digits and signs around it."""
    half = plain[: len(plain) // 2]
    core = plain.strip("0123456789 !\"#$%&'()*+,-./:;<=>?@[]^_`{|}~")
    return plain in COMMON or (plain == half * 2 and half in COMMON) or not core or core in COMMON


def _is_made_of(plain: str, words: Iterable[str]) -> bool:
    """Whether what is left without these words would be no password."""
    rest = plain
    for word in sorted(words, key=len, reverse=True):
        rest = rest.replace(word, "")
    return len(rest) <= SHORTEST / 2 and rest != plain


def _words(personal: Iterable[str]) -> list[str]:
    parts = [part for text in personal for part in text.lower().replace("@", " ").replace(".", " ").split()]
    return [part for part in parts if len(part) >= SHORTEST_WORD]


async def hashed(password: str) -> str:
    """The argon2id hash to store.

    Raises:
        Overloaded: `too_many_logins`.
    """
    async with _TURNS:
        return await asyncio.to_thread(_HASHER.hash, password)


async def matches(stored: str | None, password: str) -> bool:
    """Whether this is the password. Without a stored hash it takes just as long, and is false.

    Raises:
        Overloaded: `too_many_logins`.
    """
    async with _TURNS:
        found = await asyncio.to_thread(_verify, stored or _NOBODY, password)
    return found and stored is not None


def is_outdated(stored: str) -> bool:
    """Whether a hash was made with weaker parameters than today's."""
    return _HASHER.check_needs_rehash(stored)


def _verify(stored: str, password: str) -> bool:
    try:
        return _HASHER.verify(stored, password)
    except (VerificationError, InvalidHashError):
        return False
