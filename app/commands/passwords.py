"""Passwords: argon2id, hashed in a thread so that a login never stalls the other requests."""

import asyncio

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

SHORTEST, LONGEST = 12, 128
COMMON = frozenset(
    {
        "password1234",
        "passwordpassword",
        "123456789012",
        "1234567890123",
        "qwertyuiop12",
        "qwertyuiopasdf",
        "letmeinletmein",
        "iloveyou1234",
        "administrator",
        "welcome12345",
    }
)

_HASHER = PasswordHasher(time_cost=2, memory_cost=19_456, parallelism=1)  # OWASP: argon2id, 19 MiB, t=2, p=1
_NOBODY = _HASHER.hash("nobody has this password")
_AT_ONCE = asyncio.Semaphore(4)


def weakness(password: str) -> str | None:
    """Why a password is refused, as a sentence; None when it is fine."""
    if not SHORTEST <= len(password) <= LONGEST:
        return f"Use {SHORTEST} to {LONGEST} characters."
    if password.lower() in COMMON or len(set(password)) < 4:
        return "This password is too easy to guess. Use another one."
    return None


async def hashed(password: str) -> str:
    """The argon2id hash to store."""
    async with _AT_ONCE:
        return await asyncio.to_thread(_HASHER.hash, password)


async def matches(stored: str | None, password: str) -> bool:
    """Whether this is the password. Without a stored hash it takes just as long, and is false."""
    async with _AT_ONCE:
        found = await asyncio.to_thread(_verify, stored or _NOBODY, password)
    return found and stored is not None


def _verify(stored: str, password: str) -> bool:
    try:
        return _HASHER.verify(stored, password)
    except (VerificationError, InvalidHashError):
        return False
