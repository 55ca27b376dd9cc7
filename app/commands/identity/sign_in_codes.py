"""Mailed sign-in codes: they exempt the owner of the mailbox from a lockout that others have caused.

A code is required in addition to the password and the second factor, never instead of one. It has 80 bits, so that
wrong ones need not be counted. With a right one, attempts are counted separately, where others cannot use them up.

Reads and writes: portal.sign_in_codes.
"""

import secrets
from datetime import timedelta
from uuid import UUID

from app.clock import now
from app.commands.identity.sessions.session_store import digest
from app.db import Db

LIFE_SECONDS = 1_800
_LETTERS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
"""Crockford's base 32: it lacks letters that are easily misread; they are accepted as what they resemble."""
_MISREAD = str.maketrans("OIL", "011")

_GOOD = """
SELECT EXISTS (SELECT FROM portal.sign_in_codes c JOIN portal.users u ON u.id = c.user_id
               WHERE c.code_hash = $1 AND lower(u.email) = $2 AND c.used_at IS NULL AND c.expires_at > now())
"""
_USE = (
    "UPDATE portal.sign_in_codes SET used_at = now() "
    "WHERE code_hash = $1 AND user_id = $2 AND used_at IS NULL AND expires_at > now() RETURNING true"
)


async def made(connection: Db, user_id: UUID) -> str:
    """Issue a new code, in groups of four as it is mailed. Earlier ones stay valid until one of them is used."""
    code = "".join(secrets.choice(_LETTERS) for _ in range(16))
    await connection.execute(
        "INSERT INTO portal.sign_in_codes (code_hash, user_id, expires_at) VALUES ($1, $2, $3)",
        _hash(code),
        user_id,
        now() + timedelta(seconds=LIFE_SECONDS),
    )
    return "-".join(code[at : at + 4] for at in range(0, len(code), 4))


async def is_good(pool: Db, email: str, code: str) -> bool:
    """Tell if this code was mailed to this user, is unused and has not expired."""
    return bool(code and await pool.fetchval(_GOOD, _hash(code), email))


async def use(connection: Db, user_id: UUID, code: str) -> bool:
    """Use a code and invalidate all others; returns false if it could not be used."""
    used = await connection.fetchval(_USE, _hash(code), user_id)
    if used:
        await end(connection, user_id)
    return bool(used)


async def end(connection: Db, user_id: UUID) -> None:
    """Invalidate the user's unused codes."""
    await connection.execute(
        "UPDATE portal.sign_in_codes SET used_at = now() WHERE user_id = $1 AND used_at IS NULL", user_id
    )


def _hash(code: str) -> bytes:
    return digest(code.translate(_MISREAD))
