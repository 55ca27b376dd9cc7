"""Mailed sign-in codes: whoever reads the user's mailbox is not held up by what strangers did to the lockout.

A code stands beside the password and the second factor, never in place of one. It has 80 bits, so that wrong ones need
no count; with a right one, attempts are counted apart, where no stranger can use them up.

Reads and writes: portal.sign_in_codes.
"""

import secrets
from datetime import timedelta
from typing import Any
from uuid import UUID

from app.clock import now
from app.commands.identity.sessions.session_store import digest

LIFE_SECONDS = 1_800
_LETTERS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
"""Crockford's base 32: what is easily misread is missing, and read as what it looks like."""
_MISREAD = str.maketrans("OIL", "011")

_GOOD = """
SELECT EXISTS (SELECT FROM portal.sign_in_codes c JOIN portal.users u ON u.id = c.user_id
               WHERE c.code_hash = $1 AND lower(u.email) = $2 AND c.used_at IS NULL AND c.expires_at > now())
"""
_USE = (
    "UPDATE portal.sign_in_codes SET used_at = now() "
    "WHERE code_hash = $1 AND user_id = $2 AND used_at IS NULL AND expires_at > now() RETURNING true"
)


async def made(connection: Any, user_id: UUID) -> str:
    """A new code, in groups of four as it is mailed. Those mailed before stay good until one of them is used."""
    code = "".join(secrets.choice(_LETTERS) for _ in range(16))
    await connection.execute(
        "INSERT INTO portal.sign_in_codes (code_hash, user_id, expires_at) VALUES ($1, $2, $3)",
        _hash(code),
        user_id,
        now() + timedelta(seconds=LIFE_SECONDS),
    )
    return "-".join(code[at : at + 4] for at in range(0, len(code), 4))


async def is_good(pool: Any, email: str, code: str) -> bool:
    """Whether this code was mailed to this user lately and not used."""
    return bool(code and await pool.fetchval(_GOOD, _hash(code), email))


async def use(connection: Any, user_id: UUID, code: str) -> bool:
    """Use it up, and with it every other one; whether it could still be used."""
    used = await connection.fetchval(_USE, _hash(code), user_id)
    if used:
        await end(connection, user_id)
    return bool(used)


async def end(connection: Any, user_id: UUID) -> None:
    """End those that were mailed and not used."""
    await connection.execute(
        "UPDATE portal.sign_in_codes SET used_at = now() WHERE user_id = $1 AND used_at IS NULL", user_id
    )


def _hash(code: str) -> bytes:
    return digest(code.translate(_MISREAD))
