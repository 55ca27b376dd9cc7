"""Sessions: opaque 256-bit tokens of which only the SHA-256 is kept.

Reads: portal.id_mappings. Reads and writes: portal.sessions, portal.users. Writes: portal.password_resets,
portal.sign_in_codes.
"""

import hashlib
import secrets
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import asyncpg
from msgspec import Struct

from app.cache.lease import heard_everywhere
from app.clock import now
from app.commands.execution.context import Actor
from app.commands.identity.sessions.session_use import SessionUse
from app.errors import NotAuthenticated
from app.settings import Settings

_FIND = """
SELECT s.id, s.user_id, s.mfa, u.role, m.account_id, m.whmcs_client_id, m.salesforce_account_id,
       s.last_seen_at < now() - $3 * interval '1 second' AS unseen
FROM portal.sessions s
JOIN portal.users u ON u.id = s.user_id
LEFT JOIN portal.id_mappings m ON m.user_id = s.user_id
WHERE s.token_hash = $1 AND s.revoked_at IS NULL AND s.expires_at > now()
  AND s.last_seen_at > now() - $2 * interval '1 second'
"""
_RENEW = """
WITH old AS (UPDATE portal.sessions SET revoked_at = now() WHERE id = $1 AND revoked_at IS NULL RETURNING *)
INSERT INTO portal.sessions (id, token_hash, user_id, created_at, expires_at, address, user_agent, mfa)
SELECT $2, $3, user_id, created_at, expires_at, address, user_agent, mfa OR $4 FROM old RETURNING id, expires_at
"""
_LEFT = """
SELECT extract(epoch FROM least(expires_at, last_seen_at + $2 * interval '1 second') - now())::float8
FROM portal.sessions
WHERE token_hash = $1 AND revoked_at IS NULL AND expires_at > now() AND last_seen_at > now() - $2 * interval '1 second'
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


class Session(Struct, frozen=True, kw_only=True):
    """One place where a user is logged in. `current` is the one that asks."""

    session_id: UUID
    current: bool
    created_at: datetime
    last_seen_at: datetime
    expires_at: datetime
    address: str
    user_agent: str
    mfa: bool


async def open_session(
    pool: Any, settings: Settings, user_id: UUID, address: str, agent: str, *, mfa: bool = False
) -> Opened:
    """Begin a session; `mfa` says that a second factor was proven."""
    opened = Opened(uuid4(), secrets.token_urlsafe(32), now() + timedelta(seconds=settings.session_absolute_seconds))
    await pool.execute(
        "INSERT INTO portal.sessions (id, token_hash, user_id, expires_at, address, user_agent, mfa) "
        "VALUES ($1, $2, $3, $4, $5, $6, $7)",
        opened.id,
        digest(opened.token),
        user_id,
        opened.expires_at,
        address,
        agent[:200],
        mfa,
    )
    return opened


async def find(
    pool: asyncpg.Pool, settings: Settings, token: str, request_id: str, address: str, session_use: SessionUse
) -> Actor | None:
    """Who holds this token, unless the session is revoked, expired or was idle for too long. Nothing is written here;
    that it is in use, `session_use` writes down."""
    row = await pool.fetchrow(_FIND, digest(token), settings.session_idle_seconds, TOUCH_SECONDS)
    if row is None:
        return None
    if row["unseen"]:
        session_use.record([row["id"]])
    return Actor(
        role=row["role"],
        mfa=row["mfa"],
        user_id=row["user_id"],
        session_id=row["id"],
        account_id=row["account_id"],
        whmcs_client_id=row["whmcs_client_id"] or "",
        salesforce_account_id=row["salesforce_account_id"] or "",
        request_id=request_id,
        address=address,
    )


async def left_seconds(pool: asyncpg.Pool, settings: Settings, token_hash: bytes) -> float | None:
    """How long a session goes on by itself, unless it is used meanwhile; None when it is revoked, expired or idle, or
    goes on under another token. Asking is no use of it."""
    found: float | None = await pool.fetchval(_LEFT, token_hash, settings.session_idle_seconds)
    return found


_LIVE = "revoked_at IS NULL AND expires_at > now() AND last_seen_at > now() - $2 * interval '1 second'"


async def live(pool: asyncpg.Pool, settings: Settings, actor: Actor) -> list[Session]:
    """The caller's sessions that are neither revoked nor over, the latest used first."""
    rows = await pool.fetch(
        "SELECT id AS session_id, id = $3 AS current, created_at, last_seen_at, expires_at, "
        "coalesce(address, '') AS address, coalesce(user_agent, '') AS user_agent, mfa "
        f"FROM portal.sessions WHERE user_id = $1 AND {_LIVE} ORDER BY last_seen_at DESC",
        actor.user_id,
        settings.session_idle_seconds,
        actor.session_id,
    )
    return [Session(**dict(row)) for row in rows]


async def hold(connection: Any, user_id: UUID) -> None:
    """From here to the end of the transaction nobody else renews a session of this user or ends them all: one that is
    renewed while all are ended would outlive it."""
    await connection.execute("SELECT FROM portal.users WHERE id = $1 FOR NO KEY UPDATE", user_id)


async def revoke(connection: Any, session_id: UUID, *, user_id: UUID | None) -> bool:
    """End a session of this user; whether there was one to end. In every process once it is `heard_everywhere`."""
    return bool(
        await connection.fetchval(
            "UPDATE portal.sessions SET revoked_at = now() "
            "WHERE id = $1 AND user_id = $2 AND revoked_at IS NULL RETURNING true",
            session_id,
            user_id,
        )
    )


async def revoke_all(connection: Any, user_id: UUID, *, but: UUID | None = None) -> int:
    """End every session of a user, except perhaps one; returns how many. `hold` them first, and as with `revoke`, wait
    after the commit."""
    rows = await connection.fetch(
        "UPDATE portal.sessions SET revoked_at = now() "
        "WHERE user_id = $1 AND revoked_at IS NULL AND id IS DISTINCT FROM $2 RETURNING id",
        user_id,
        but,
    )
    return len(rows)


async def leave(pool: asyncpg.Pool, token: str) -> None:
    """End the session of a token that its holder has put another in the place of; over in every process on return."""
    ended = await pool.fetchval(
        "UPDATE portal.sessions SET revoked_at = now() WHERE token_hash = $1 AND revoked_at IS NULL RETURNING true",
        digest(token),
    )
    if ended:
        await heard_everywhere()


async def renew(connection: Any, session_id: UUID | None, *, proven: bool = False) -> Opened:
    """Have a session go on under another token and id, for as long as it would have; `proven` says that a second factor
    was. What the old token opened ends: `hold` them first, and as with `revoke`, wait after the commit.

    Raises:
        NotAuthenticated: it has ended meanwhile.
    """
    token = secrets.token_urlsafe(32)
    row = await connection.fetchrow(_RENEW, session_id, uuid4(), digest(token), proven)
    if row is None:
        raise NotAuthenticated
    return Opened(row["id"], token, row["expires_at"])


async def set_password(connection: Any, user_id: UUID, password_hash: str, *, but: UUID | None = None) -> None:
    """Store a new hash; sessions, except perhaps one, and what was mailed to log in with end with the old password."""
    await connection.execute(
        "UPDATE portal.users SET password_hash = $2, password_changed_at = now(), updated_at = now() WHERE id = $1",
        user_id,
        password_hash,
    )
    await connection.execute(
        "UPDATE portal.password_resets SET used_at = now() WHERE user_id = $1 AND used_at IS NULL", user_id
    )
    await connection.execute(
        "UPDATE portal.sign_in_codes SET used_at = now() WHERE user_id = $1 AND used_at IS NULL", user_id
    )
    await revoke_all(connection, user_id, but=but)
