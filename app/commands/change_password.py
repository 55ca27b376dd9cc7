"""Change the password: who knows the present one sets another, and every other session ends.

Reads and writes: portal.users. Writes: portal.sessions, portal.password_resets, portal.mails.
"""

from typing import Annotated

from msgspec import Meta, Struct

from app.commands import attempts, mail, passwords, sessions
from app.commands.context import Actor, Context, Done
from app.errors import NotAllowed
from app.readmodels.watch import heard_everywhere

Secret = Annotated[str, Meta(max_length=1024)]


class ChangePassword(Struct, forbid_unknown_fields=True):
    """The present password proves that it is not just an unattended screen."""

    current_password: Secret
    new_password: Secret


async def change_password(ctx: Context, actor: Actor, request: ChangePassword) -> Done:
    """Set a new password.

    Raises:
        NotAllowed: `password_wrong`.
        InvalidRequest: `weak_password`.
        RateLimited: `too_many_attempts`.
    """
    user = await require_password(ctx, actor, request.current_password)
    passwords.refuse_weak(request.new_password, "new_password", personal=user)
    password_hash = await passwords.hashed(request.new_password)
    assert actor.user_id is not None
    async with ctx.pool.acquire() as connection, connection.transaction():
        await sessions.set_password(connection, actor.user_id, password_hash, but=actor.session_id)
        await mail.ask(connection, "password_changed", user[0])
    await heard_everywhere()
    return Done(None)


async def require_password(ctx: Context, actor: Actor, password: str) -> tuple[str, str, str]:
    """That whoever holds the session also knows the password; returns e-mail address, first and last name.

    Raises:
        NotAllowed: `password_wrong`.
        RateLimited: `too_many_attempts`.
    """
    row = await ctx.pool.fetchrow(
        "SELECT email, first_name, last_name, password_hash FROM portal.users WHERE id = $1", actor.user_id
    )
    await attempts.count(ctx, actor, "password", str(actor.user_id))
    if not await passwords.matches(row["password_hash"], password):
        raise NotAllowed("The present password is wrong.", code="password_wrong")
    await attempts.forget(ctx, actor, "password", str(actor.user_id))
    return row["email"], row["first_name"], row["last_name"]
