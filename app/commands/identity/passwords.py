"""Passwords: argon2id, hashed in a thread so that a login never stalls the other requests.

A password is its NFKC form (NIST SP 800-63B): the same on every keyboard. Hashes made before that was so are of the
text as it was typed; they still match, and are replaced at the next login.
"""

import asyncio
import unicodedata
from collections.abc import Iterable
from typing import Literal

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from app.commands.identity.password_strength import LEAST_SCORE, judged
from app.errors import InvalidRequest, Overloaded, Violation

SHORTEST, LONGEST = 12, 128
PasswordVerdict = Literal["wrong", "right", "outdated"]
"""`outdated`: right, and the hash is older than today's parameters or made of another form of the text."""

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


async def refuse_weak(password: str, field: str, *, personal: Iterable[str] = ()) -> None:
    """That a new password is long enough and hard to guess, also for who knows the user's name and address.

    Raises:
        InvalidRequest: `errors` with code `weak_password`, and `feedback` when it is easy to guess.
        Overloaded: `too_many_logins`.
    """
    plain = usual(password)
    # Some signs are eighteen letters in the usual form, and still one to whoever guesses.
    if min(len(plain), len(password)) < SHORTEST or len(plain) > LONGEST:
        sentence, limits = f"Use {SHORTEST} to {LONGEST} characters.", {"least": SHORTEST, "most": LONGEST}
        raise _weak(Violation(field, "weak_password", sentence, limits))
    async with _TURNS:  # the library keeps one user's words in a place that all share
        feedback = await asyncio.to_thread(judged, plain, list(personal))
    if feedback.score >= LEAST_SCORE:
        return
    sentence = feedback.warning.message if feedback.warning else "This password is too easy to guess."
    error = _weak(Violation(field, "weak_password", sentence, {"score": feedback.score, "least_score": LEAST_SCORE}))
    error.feedback = feedback
    raise error


def _weak(violation: Violation) -> InvalidRequest:
    return InvalidRequest("Please choose another password.", errors=[violation])


def usual(password: str) -> str:
    """The form that is hashed."""
    return unicodedata.normalize("NFKC", password)


async def hashed(password: str) -> str:
    """The argon2id hash to store.

    Raises:
        Overloaded: `too_many_logins`.
    """
    async with _TURNS:
        return await asyncio.to_thread(_HASHER.hash, usual(password))


async def verdict(stored: str | None, password: str) -> PasswordVerdict:
    """Whether this is the password, and whether its hash should be replaced. Without a stored hash it takes just as
    long, and is wrong.

    Raises:
        Overloaded: `too_many_logins`.
    """
    async with _TURNS:
        found = await asyncio.to_thread(_verdict, stored or _NOBODY, password)
    return found if stored is not None else "wrong"


async def matches(stored: str | None, password: str) -> bool:
    """Whether this is the password.

    Raises:
        Overloaded: `too_many_logins`.
    """
    return await verdict(stored, password) != "wrong"


def _verdict(stored: str, password: str) -> PasswordVerdict:
    plain = usual(password)
    as_usual = _verify(stored, plain)
    as_typed = plain != password and _verify(stored, password)  # tried whatever came before: the time tells nothing
    if not (as_usual or as_typed):
        return "wrong"
    return "outdated" if not as_usual or _HASHER.check_needs_rehash(stored) else "right"


def _verify(stored: str, password: str) -> bool:
    try:
        return _HASHER.verify(stored, password)
    except (VerificationError, InvalidHashError):
        return False
