"""Passwords: argon2id, hashed in a thread so that a login never stalls the other requests.

A password is hashed in its NFKC form (NIST SP 800-63B), which is the same on every keyboard. Older hashes are of the
text as typed; they still match, and are replaced at the next login.
"""

import asyncio
import unicodedata
from collections.abc import Iterable
from typing import Literal

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from app.commands.identity.password_strength import LEAST_SCORE, rate
from app.errors import InvalidRequest, Overloaded, Violation
from app.words.sentence import say

SHORTEST, LONGEST = 12, 128
PasswordVerdict = Literal["wrong", "right", "outdated"]
"""`outdated`: right, but the hash has former parameters or is of another form of the text."""

_HASHER = PasswordHasher(time_cost=2, memory_cost=19_456, parallelism=1)  # OWASP: argon2id, 19 MiB, t=2, p=1
_NOBODY = _HASHER.hash("nobody has this password")
MOST_WAITING = 64
"""The longest queue: hashing is CPU-bound, and a longer queue would only grow."""


class _HashQueue:
    """A queue for one hash at a time per process, so that a flood of logins leaves a core for other requests."""

    def __init__(self) -> None:
        self._semaphore = asyncio.Semaphore(1)
        self._waiting = 0

    async def __aenter__(self) -> None:
        if self._waiting >= MOST_WAITING:
            raise Overloaded(say("identity.too_many_logins"), code="too_many_logins")
        self._waiting += 1
        try:
            await self._semaphore.acquire()
        finally:
            self._waiting -= 1

    async def __aexit__(self, *_: object) -> None:
        self._semaphore.release()


_QUEUE = _HashQueue()


async def refuse_weak(password: str, field: str, *, personal: Iterable[str] = ()) -> None:
    """Refuse a new password that is too short, too long or easy to guess, also for an attacker who knows the user.

    Raises:
        InvalidRequest: `errors` with code `weak_password`, and `feedback` if it is easy to guess.
        Overloaded: `too_many_logins`.
    """
    plain = normalised(password)
    # Some characters are eighteen letters in normal form, and still one to whoever guesses.
    if min(len(plain), len(password)) < SHORTEST or len(plain) > LONGEST:
        sentence = say("identity.password_length", least=SHORTEST, most=LONGEST)
        limits = {"least": SHORTEST, "most": LONGEST}
        raise _weak(Violation(field, "weak_password", sentence, limits))
    async with _QUEUE:  # the library keeps one user's words in a global table
        feedback = await asyncio.to_thread(rate, plain, list(personal))
    if feedback.score >= LEAST_SCORE:
        return
    sentence = feedback.warning.sentence if feedback.warning else say("identity.password_too_easy")
    error = _weak(Violation(field, "weak_password", sentence, {"score": feedback.score, "least_score": LEAST_SCORE}))
    error.feedback = feedback
    raise error


def _weak(violation: Violation) -> InvalidRequest:
    return InvalidRequest(say("identity.choose_another_password"), errors=[violation])


def normalised(password: str) -> str:
    """Return the form of a password that is hashed."""
    return unicodedata.normalize("NFKC", password)


async def hashed(password: str) -> str:
    """Return the argon2id hash to store.

    Raises:
        Overloaded: `too_many_logins`.
    """
    async with _QUEUE:
        return await asyncio.to_thread(_HASHER.hash, normalised(password))


async def verdict(stored: str | None, password: str) -> PasswordVerdict:
    """Verify a password, and tell if its hash is outdated. Without a stored hash it takes the same time and is wrong.

    Raises:
        Overloaded: `too_many_logins`.
    """
    async with _QUEUE:
        found = await asyncio.to_thread(_verdict, stored or _NOBODY, password)
    return found if stored is not None else "wrong"


async def matches(stored: str | None, password: str) -> bool:
    """Tell if this is the password.

    Raises:
        Overloaded: `too_many_logins`.
    """
    return await verdict(stored, password) != "wrong"


def _verdict(stored: str, password: str) -> PasswordVerdict:
    plain = normalised(password)
    as_normalised = _verify(stored, plain)
    as_typed = plain != password and _verify(stored, password)  # always tried, so that the time reveals nothing
    if not (as_normalised or as_typed):
        return "wrong"
    return "outdated" if not as_normalised or _HASHER.check_needs_rehash(stored) else "right"


def _verify(stored: str, password: str) -> bool:
    try:
        return _HASHER.verify(stored, password)
    except (VerificationError, InvalidHashError):
        return False
