"""Reset a forgotten password by a single-use link that is mailed to the user.

The request takes the same time and gives the same answer for every address. A reset ends every session and lifts a
lockout, also that of the second factor, but not repeatedly: whoever made those attempts knew the old password or reads
the mailbox. It does not replace the second factor.

Reads and writes: portal.password_resets. Writes: portal.mails, portal.users, portal.sessions.
"""

from typing import Annotated

from msgspec import Meta, Struct

from app.cache.lease import heard_everywhere
from app.commands import mail_outbox
from app.commands.execution.context import Actor, Command, Context, Done
from app.commands.identity import login_throttle, passwords, second_factor
from app.commands.identity.sessions import session_store
from app.errors import InvalidRequest
from app.inputs.email import KnownEmail
from app.words.sentence import say

_USER = """
SELECT r.user_id, u.email, u.first_name, u.last_name
FROM portal.password_resets r JOIN portal.users u ON u.id = r.user_id
WHERE r.token_hash = $1 AND r.used_at IS NULL AND r.expires_at > now()
"""
_USE = (
    "UPDATE portal.password_resets SET used_at = now(), used_from = $2 "
    "WHERE token_hash = $1 AND used_at IS NULL AND expires_at > now() RETURNING true"
)


class ForgotPassword(Struct, forbid_unknown_fields=True):
    """The e-mail address of the user."""

    email: Annotated[KnownEmail, Meta(max_length=254)]


class ResetPassword(Struct, forbid_unknown_fields=True):
    """The token of the mailed link, and the password to set."""

    token: Annotated[str, Meta(max_length=200)]
    new_password: Annotated[str, Meta(max_length=1024)]


async def forgot_password(ctx: Context, actor: Actor, request: ForgotPassword) -> Done:
    """Enqueue the mail, if there is such a user. Requests are not counted per user, because others could use them
    up."""
    await mail_outbox.enqueue_once(ctx.pool, "password_reset", request.email, actor.language)
    return Done(None)


async def reset_password(ctx: Context, actor: Actor, request: ResetPassword) -> Done:
    """Set a new password with a mailed token.

    Raises:
        InvalidRequest: `reset_token_invalid`: used, expired or never issued; `weak_password`.
    """
    hashed_token = session_store.digest(request.token)
    user = await ctx.pool.fetchrow(_USER, hashed_token)
    if user is None:
        raise _invalid()
    personal = (user["email"], user["first_name"], user["last_name"])
    await passwords.refuse_weak(request.new_password, "new_password", personal=personal)
    password_hash = await passwords.hashed(request.new_password)
    async with ctx.pool.acquire() as connection, connection.transaction():
        await session_store.hold(connection, user["user_id"])
        if not await connection.fetchval(_USE, hashed_token, actor.address):
            raise _invalid()
        await session_store.set_password(connection, user["user_id"], password_hash)
        await mail_outbox.enqueue(connection, "password_changed", user["email"])
    await heard_everywhere()
    await login_throttle.forget(ctx, actor, "log_in", user["email"].lower())
    await login_throttle.open_lock(ctx, actor, second_factor.COUNTED_AS, str(user["user_id"]))
    return Done(None, user_id=user["user_id"])


def _invalid() -> InvalidRequest:
    return InvalidRequest(say("identity.reset_link_expired"), code="reset_token_invalid")


FORGOT_PASSWORD = Command(forgot_password, writes=(), away="refuse", replayable=False)
RESET_PASSWORD = Command(reset_password, writes=(), away="refuse", replayable=False)
COMMANDS = (FORGOT_PASSWORD, RESET_PASSWORD)
