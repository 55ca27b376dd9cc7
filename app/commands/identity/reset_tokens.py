"""Single-use tokens by which a password is set: mailed in a link, kept as a hash.

Writes: portal.password_resets.
"""

import secrets
from datetime import timedelta
from uuid import UUID

from app.clock import now
from app.commands.identity.sessions.session_store import digest
from app.db import Db


async def issue(connection: Db, user_id: UUID, life_seconds: int) -> str:
    """Make a new token. Tokens that were mailed earlier stay valid until one of them is used."""
    token = secrets.token_urlsafe(32)
    await connection.execute(
        "INSERT INTO portal.password_resets (token_hash, user_id, expires_at) VALUES ($1, $2, $3)",
        digest(token),
        user_id,
        now() + timedelta(seconds=life_seconds),
    )
    return token
