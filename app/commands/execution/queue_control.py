"""Queued commands whose sessions are ended for the sake of safety: they are not run.

A customer who logs out takes nothing back; one who ends another session, changes the password or is locked out by staff
may never have sent what is waiting.

Writes: portal.queued_commands.
"""

from uuid import UUID

from app.db import Db


async def revoke(connection: Db, user_id: UUID, *, but: UUID | None = None) -> None:
    """Revoke what a user's sessions, except perhaps one, have left waiting."""
    await connection.execute(
        "UPDATE portal.queued_commands SET revoked = true WHERE user_id = $1 AND ($2::uuid IS NULL OR "
        "session_id IS DISTINCT FROM $2)",
        user_id,
        but,
    )


async def revoke_session(connection: Db, session_id: UUID) -> None:
    """Revoke what one session has left waiting."""
    await connection.execute("UPDATE portal.queued_commands SET revoked = true WHERE session_id = $1", session_id)


async def revoke_all(connection: Db) -> None:
    """Revoke everything that is waiting."""
    await connection.execute("UPDATE portal.queued_commands SET revoked = true WHERE NOT revoked")


async def follow(connection: Db, session_id: UUID | None, renewed: UUID) -> None:
    """Keep what a session has left waiting with the one that continues it."""
    await connection.execute(
        "UPDATE portal.queued_commands SET session_id = $2 WHERE session_id = $1", session_id, renewed
    )
