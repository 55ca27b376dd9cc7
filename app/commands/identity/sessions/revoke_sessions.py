"""Log out elsewhere: end one session, or all of them.

Writes: portal.sessions.
"""

from uuid import UUID

from app.cache.lease import heard_everywhere
from app.commands.execution import queue_control
from app.commands.execution.context import Actor, Command, Context, Done
from app.commands.identity.sessions import session_store
from app.errors import NotFound
from app.words.sentence import say


async def revoke_session(ctx: Context, actor: Actor, request: UUID) -> Done:
    """End one of the caller's own sessions, named by its id.

    Raises:
        NotFound: absent, another user's, or already ended.
    """
    if not await session_store.revoke(ctx.pool, request, user_id=actor.user_id):
        raise NotFound(say("identity.session_not_found"))
    await queue_control.revoke_session(ctx.pool, request)
    await heard_everywhere()
    return Done(None, target=str(request))


async def revoke_sessions(ctx: Context, actor: Actor, request: None) -> Done:
    """End every session of the caller, including this one."""
    assert actor.user_id is not None
    async with ctx.pool.acquire() as connection, connection.transaction():
        await session_store.hold(connection, actor.user_id)
        await session_store.revoke_all(connection, actor.user_id)
    await heard_everywhere()
    return Done(None)


REVOKE_SESSION = Command(revoke_session, writes=(), away="refuse")
REVOKE_SESSIONS = Command(revoke_sessions, writes=(), away="refuse")
COMMANDS = (REVOKE_SESSION, REVOKE_SESSIONS)
