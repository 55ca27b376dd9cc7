"""End every session of a user, or of all users, after an incident; for staff.

Writes: portal.sessions, portal.audit.
"""

import asyncpg

from app.audit import Operator, audit
from app.cache.lease import heard_everywhere
from app.commands.execution import queue_control
from app.commands.execution.context import StaffCommand
from app.commands.identity.sessions import session_store
from app.errors import NotFound
from app.words.sentence import say


async def end_sessions_of(pool: asyncpg.Pool, operator: Operator, email: str) -> int:
    """End every session of a user in all processes; returns their number.

    Raises:
        NotFound: there is no such user.
    """
    async with pool.acquire() as connection, connection.transaction():
        user_id = await connection.fetchval(
            "SELECT id FROM portal.users WHERE lower(email) = $1", email.strip().lower()
        )
        if user_id is None:
            raise NotFound(say("identity.user_not_found"))
        await session_store.hold(connection, user_id)
        ended = await session_store.revoke_all(connection, user_id)
        await audit(connection, operator, "sessions.end", [str(user_id)], ended=str(ended))
    await heard_everywhere()
    return ended


async def end_every_session(pool: asyncpg.Pool, operator: Operator) -> int:
    """End every session of all users, staff included. A concurrent renewal waits, and then finds its session ended."""
    async with pool.acquire() as connection, connection.transaction():
        await connection.execute("SELECT FROM portal.users ORDER BY id FOR NO KEY UPDATE")
        ended = len(
            await connection.fetch(
                "UPDATE portal.sessions SET revoked_at = now() WHERE revoked_at IS NULL RETURNING id"
            )
        )
        await queue_control.revoke_all(connection)
        await audit(connection, operator, "sessions.end", ["everybody"], ended=str(ended))
    await heard_everywhere()
    return ended


COMMANDS = (
    StaffCommand(end_sessions_of, "sessions.end", writes=(), away="refuse"),
    StaffCommand(end_every_session, "sessions.end", writes=(), away="refuse"),
)
