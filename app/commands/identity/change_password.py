"""Change the password: a caller who knows the current one sets another, and every other session ends.

Reads and writes: portal.users. Writes: portal.sessions, portal.password_resets, portal.mails.
"""

from datetime import datetime
from typing import Annotated

from msgspec import Meta, Struct

from app.cache.lease import heard_everywhere
from app.commands import mail_outbox
from app.commands.execution.context import Actor, Command, Context, Done
from app.commands.identity import login_throttle, passwords
from app.commands.identity.sessions import session_store
from app.db import only_row
from app.errors import Conflict, NotAllowed
from app.words.sentence import say

_CHANGED_AT = "SELECT password_changed_at FROM portal.users WHERE id = $1"

Secret = Annotated[str, Meta(max_length=1024)]


class ChangePassword(Struct, forbid_unknown_fields=True):
    """The current password, which an intruder at an unattended screen does not know, and the new one."""

    current_password: Secret
    """The password that is valid now."""
    new_password: Secret


class VerifiedUser(Struct, frozen=True, kw_only=True):
    """A user whose password was verified, and when that password was set."""

    email: str
    first_name: str
    last_name: str
    password_changed_at: datetime | None


async def change_password(ctx: Context, actor: Actor, request: ChangePassword) -> Done:
    """Set a new password and end every other session.

    Raises:
        NotAllowed: `password_wrong`.
        InvalidRequest: `weak_password`.
        Conflict: `password_changed`, by another request or a reset since the current one was verified.
        RateLimited: `too_many_attempts`.
    """
    user = await require_password(ctx, actor, request.current_password)
    personal = (user.email, user.first_name, user.last_name)
    await passwords.refuse_weak(request.new_password, "new_password", personal=personal)
    password_hash = await passwords.hashed(request.new_password)
    assert actor.user_id is not None
    async with ctx.pool.acquire() as connection, connection.transaction():
        await session_store.hold(connection, actor.user_id)
        if await connection.fetchval(_CHANGED_AT, actor.user_id) != user.password_changed_at:
            raise Conflict(say("identity.password_just_changed"), code="password_changed")
        await session_store.set_password(connection, actor.user_id, password_hash, but=actor.session_id)
        await mail_outbox.enqueue(connection, "password_changed", user.email)
    await heard_everywhere()
    return Done(None)


async def require_password(ctx: Context, actor: Actor, password: str) -> VerifiedUser:
    """Require that the caller knows the password of the session's user, and return the user.

    Raises:
        NotAllowed: `password_wrong`.
        RateLimited: `too_many_attempts`.
    """
    row = await only_row(
        ctx.pool,
        "SELECT email, first_name, last_name, password_changed_at, password_hash FROM portal.users WHERE id = $1",
        actor.user_id,
    )
    await login_throttle.count(ctx, actor, "password", str(actor.user_id))
    if not await passwords.matches(row["password_hash"], password):
        raise NotAllowed(say("identity.current_password_wrong"), code="password_wrong")
    await login_throttle.forget(ctx, actor, "password", str(actor.user_id))
    return VerifiedUser(**{name: row[name] for name in VerifiedUser.__struct_fields__})


COMMAND = Command(change_password, writes=(), away="refuse", replayable=False)
