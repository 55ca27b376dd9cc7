"""Sessions: opaque 256-bit tokens of which only the SHA-256 is stored.

Reads: portal.id_mappings. Reads and writes: portal.sessions, portal.users. Writes: portal.password_resets,
portal.sign_in_codes; through `queue_control`, portal.queued_commands.
"""

import hashlib
import secrets
from datetime import datetime, timedelta
from uuid import UUID, uuid4

import asyncpg
from msgspec import Struct

from app.cache.lease import heard_everywhere
from app.clock import now
from app.commands.execution import queue_control
from app.commands.execution.context import Actor
from app.commands.identity.sessions.session_use import SessionUse
from app.db import Db, row, rows
from app.errors import NotAuthenticated
from app.settings import Settings
from app.words.languages import known

_FIND = """
SELECT s.id, s.user_id, s.mfa, u.role, m.account_id, m.whmcs_client_id, m.salesforce_account_id, p.language,
       s.last_seen_at < now() - $3 * interval '1 second' AS unseen
FROM portal.sessions s
JOIN portal.users u ON u.id = s.user_id
LEFT JOIN portal.id_mappings m ON m.user_id = s.user_id
LEFT JOIN read_model.profiles p ON p.account_id = m.account_id
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
_ENDS = """
SELECT expires_at, least(
    expires_at, greatest(last_seen_at, now() - $3 * interval '1 second') + $2 * interval '1 second') AS idle_expires_at
FROM portal.sessions WHERE id = $1 AND revoked_at IS NULL
"""
TOUCH_SECONDS = 60
"""The shortest interval between two writes of a session's last use."""


class Opened(Struct, frozen=True):
    """A new session. The token is returned once and not stored."""

    id: UUID
    token: str
    expires_at: datetime


def digest(token: str) -> bytes:
    """Return the hash of a token that is stored."""
    return hashlib.sha256(token.encode()).digest()


class Session(Struct, frozen=True, kw_only=True):
    """One session of a user. `current`: it is the session of this request."""

    session_id: UUID
    """The id of the session, to end it by."""
    current: bool
    """Whether it is the session of this request."""
    created_at: datetime
    last_seen_at: datetime
    """When it was last used."""
    expires_at: datetime
    address: str
    """The address from which it was opened."""
    user_agent: str
    """The browser, as it names itself."""
    mfa: bool
    """Whether it has proven a second factor."""


async def open_session(
    pool: Db, settings: Settings, user_id: UUID, address: str, agent: str, *, mfa: bool = False
) -> Opened:
    """Open a session; `mfa`: a second factor was proven."""
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
    """Find the holder of a token; None if the session is revoked, expired or was idle for too long. Nothing is written
    here: `session_use` records the use later."""
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
        language=row["language"] and known(row["language"]),
    )


async def left_seconds(pool: asyncpg.Pool, settings: Settings, token_hash: bytes) -> float | None:
    """Return the remaining lifetime of a session if it is not used again; None if it is revoked, expired or idle, or
    continues under another token. The lookup does not count as use."""
    found: float | None = await pool.fetchval(_LEFT, token_hash, settings.session_idle_seconds)
    return found


class SessionLimits(Struct, frozen=True):
    """When a session ends: in any case, and if it is not used any more."""

    expires_at: datetime
    idle_expires_at: datetime


async def ends_of(pool: asyncpg.Pool, settings: Settings, actor: Actor) -> SessionLimits:
    """Return when the caller's session ends. Its last use is recorded within `TOUCH_SECONDS`, so it counts from there.

    Raises:
        NotAuthenticated: it has ended.
    """
    found = await row(pool, SessionLimits, _ENDS, actor.session_id, settings.session_idle_seconds, TOUCH_SECONDS)
    if found is None:
        raise NotAuthenticated
    return found


_LIVE = "revoked_at IS NULL AND expires_at > now() AND last_seen_at > now() - $2 * interval '1 second'"


async def live(pool: asyncpg.Pool, settings: Settings, actor: Actor) -> list[Session]:
    """Return the caller's live sessions, the most recently used first."""
    return await rows(
        pool,
        Session,
        "SELECT id AS session_id, id = $3 AS current, created_at, last_seen_at, expires_at, "
        "coalesce(address, '') AS address, coalesce(user_agent, '') AS user_agent, mfa "
        f"FROM portal.sessions WHERE user_id = $1 AND {_LIVE} ORDER BY last_seen_at DESC",
        actor.user_id,
        settings.session_idle_seconds,
        actor.session_id,
    )


async def hold(connection: Db, user_id: UUID) -> None:
    """Lock the user's sessions until the end of the transaction against renewal and revocation of all: a session that
    is renewed while all are being ended would survive."""
    await connection.execute("SELECT FROM portal.users WHERE id = $1 FOR NO KEY UPDATE", user_id)


async def revoke(connection: Db, session_id: UUID, *, user_id: UUID | None) -> bool:
    """End a session of this user; false if there was none. Other processes know once it is `heard_everywhere`."""
    return bool(
        await connection.fetchval(
            "UPDATE portal.sessions SET revoked_at = now() "
            "WHERE id = $1 AND user_id = $2 AND revoked_at IS NULL RETURNING true",
            session_id,
            user_id,
        )
    )


async def revoke_all(connection: Db, user_id: UUID, *, but: UUID | None = None) -> int:
    """End every session of a user, except perhaps one; returns their number. `hold` them first, and wait after the
    commit as with `revoke`."""
    rows = await connection.fetch(
        "UPDATE portal.sessions SET revoked_at = now() "
        "WHERE user_id = $1 AND revoked_at IS NULL AND id IS DISTINCT FROM $2 RETURNING id",
        user_id,
        but,
    )
    await queue_control.revoke(connection, user_id, but=but)
    return len(rows)


async def leave(pool: asyncpg.Pool, token: str) -> None:
    """End the session of a token that another login has replaced, in every process."""
    ended = await pool.fetchval(
        "UPDATE portal.sessions SET revoked_at = now() WHERE token_hash = $1 AND revoked_at IS NULL RETURNING true",
        digest(token),
    )
    if ended:
        await heard_everywhere()


async def renew(connection: Db, session_id: UUID | None, *, proven: bool = False) -> Opened:
    """Renew a session under another token and id, with its lifetime unchanged; `proven`: a second factor was proven.
    The old token becomes invalid: `hold` the sessions first, and wait after the commit as with `revoke`.

    Raises:
        NotAuthenticated: the session has ended.
    """
    token = secrets.token_urlsafe(32)
    row = await connection.fetchrow(_RENEW, session_id, uuid4(), digest(token), proven)
    if row is None:
        raise NotAuthenticated
    await queue_control.follow(connection, session_id, row["id"])
    return Opened(row["id"], token, row["expires_at"])


async def set_password(connection: Db, user_id: UUID, password_hash: str, *, but: UUID | None = None) -> None:
    """Store a new hash and invalidate mailed tokens and codes, and every session except perhaps one."""
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
