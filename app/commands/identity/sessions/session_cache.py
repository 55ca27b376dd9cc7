"""A cache of session holders, for reads that are answered from memory. Lookups of many sessions are batched.

Every process is notified of what ends or changes a session (`app/cache/lease.py`).

Reads: portal.id_mappings, portal.sessions, portal.users.
"""

from collections.abc import Mapping, Sequence
from time import monotonic

import asyncpg
from msgspec import Struct

from app.cache.read_through import ReadThrough
from app.commands.identity.sessions.session_store import TOUCH_SECONDS
from app.commands.identity.sessions.session_use import SessionUse
from app.settings import Settings

MOST = 50_000
"""Cached sessions per process, at some 600 bytes each."""
_FIND = """
SELECT s.id, s.token_hash, u.role, m.account_id, s.last_seen_at < now() - $3 * interval '1 second' AS unseen,
       extract(epoch FROM s.expires_at - now())::float8 AS left_seconds,
       extract(epoch FROM now() - s.last_seen_at)::float8 AS seen_seconds
FROM portal.sessions s
JOIN portal.users u ON u.id = s.user_id
LEFT JOIN portal.id_mappings m ON m.user_id = s.user_id
WHERE s.token_hash = ANY($1) AND s.revoked_at IS NULL AND s.expires_at > now()
  AND s.last_seen_at > now() - $2 * interval '1 second'
"""


class SessionHolder(Struct, frozen=True):
    """The holder of a session. `good_until`: the monotonic time at which the entry expires, because the session's use
    must be recorded by then, or because it ends."""

    role: str
    account: str
    good_until: float


def visitors(pool: asyncpg.Pool, settings: Settings, session_use: SessionUse) -> ReadThrough[SessionHolder]:
    """Return the read-through cache of sessions, by the hexadecimal hash of their token."""
    idle_seconds = settings.session_idle_seconds
    touch_seconds = min(TOUCH_SECONDS, idle_seconds / 2)

    def visitor(row: asyncpg.Record, asked_at: float) -> SessionHolder:
        unused_seconds = 0.0 if row["unseen"] else row["seen_seconds"]
        left_seconds = min(row["left_seconds"], touch_seconds - unused_seconds)
        return SessionHolder(row["role"], str(row["account_id"] or ""), asked_at + left_seconds)

    async def read(digests: Sequence[str]) -> Mapping[str, SessionHolder]:
        asked_at = monotonic()
        hashes = [bytes.fromhex(digest) for digest in digests]
        rows = await pool.fetch(_FIND, hashes, idle_seconds, touch_seconds)
        session_use.record(row["id"] for row in rows if row["unseen"])
        return {row["token_hash"].hex(): visitor(row, asked_at) for row in rows}

    return ReadThrough(read, MOST)
