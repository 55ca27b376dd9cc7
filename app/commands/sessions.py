"""Sessions: opaque 256-bit tokens of which only the SHA-256 is kept.

Reads and writes: portal.sessions, portal.users, portal.id_mappings.
"""

import hashlib
import secrets
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import asyncpg
from msgspec import Struct

from app.commands.context import Actor
from app.settings import Settings

_FIND = """
SELECT s.id, s.user_id, u.role, m.account_id, m.whmcs_client_id, m.salesforce_account_id
FROM portal.sessions s
JOIN portal.users u ON u.id = s.user_id
LEFT JOIN portal.id_mappings m ON m.user_id = s.user_id
WHERE s.token_hash = $1 AND s.revoked_at IS NULL AND s.expires_at > now()
  AND s.last_seen_at > now() - $2 * interval '1 second'
"""
TOUCH_SECONDS = 60
"""A session's last use is written at most this often."""


class Opened(Struct, frozen=True):
    """A new session. The token is shown once and never again."""

    id: UUID
    token: str
    expires_at: datetime


def digest(token: str) -> bytes:
    """What is stored of a token."""
    return hashlib.sha256(token.encode()).digest()


async def open_session(pool: asyncpg.Pool, settings: Settings, user_id: UUID, address: str, agent: str) -> Opened:
    """Begin a session."""
    opened = Opened(
        uuid4(), secrets.token_urlsafe(32), datetime.now(UTC) + timedelta(seconds=settings.session_absolute_seconds)
    )
    await pool.execute(
        "INSERT INTO portal.sessions (id, token_hash, user_id, expires_at, address, user_agent) "
        "VALUES ($1, $2, $3, $4, $5, $6)",
        opened.id,
        digest(opened.token),
        user_id,
        opened.expires_at,
        address,
        agent[:200],
    )
    return opened


async def find(pool: asyncpg.Pool, settings: Settings, token: str, request_id: str, address: str) -> Actor | None:
    """Who holds this token, unless the session is revoked, expired or was idle for too long."""
    row = await pool.fetchrow(_FIND, digest(token), settings.session_idle_seconds)
    if row is None:
        return None
    await pool.execute(
        "UPDATE portal.sessions SET last_seen_at = now() "
        "WHERE id = $1 AND last_seen_at < now() - $2 * interval '1 second'",
        row["id"],
        TOUCH_SECONDS,
    )
    return Actor(
        role=row["role"],
        user_id=row["user_id"],
        session_id=row["id"],
        account_id=row["account_id"],
        whmcs_client_id=row["whmcs_client_id"] or "",
        salesforce_account_id=row["salesforce_account_id"] or "",
        request_id=request_id,
        address=address,
    )


async def is_open(pool: asyncpg.Pool, settings: Settings, session_id: UUID | None) -> bool:
    """Whether a session is neither revoked nor expired nor idle. Asking is no use of it."""
    return bool(
        await pool.fetchval(
            "SELECT EXISTS (SELECT FROM portal.sessions WHERE id = $1 AND revoked_at IS NULL AND expires_at > now() "
            "AND last_seen_at > now() - $2 * interval '1 second')",
            session_id,
            settings.session_idle_seconds,
        )
    )


async def revoke(pool: asyncpg.Pool, session_id: UUID) -> None:
    """End a session at once, in every process."""
    await pool.execute("UPDATE portal.sessions SET revoked_at = now() WHERE id = $1 AND revoked_at IS NULL", session_id)
