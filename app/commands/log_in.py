"""Log in and out.

Writes: portal.sessions, portal.audit. Attempts are counted in Redis per address and e-mail, before the password is
looked at, so that many at once do not slip through; without Redis the route's rate limit still holds.
"""

from datetime import datetime
from typing import Annotated

from msgspec import Meta, Struct

from app.commands import attempts, audit, passwords, sessions
from app.commands.context import Actor, Context, Done
from app.commands.users import User
from app.errors import NotAuthenticated


class LogIn(Struct, forbid_unknown_fields=True):
    """Portal credentials."""

    email: Annotated[str, Meta(max_length=254)]
    password: Annotated[str, Meta(max_length=1024)]


class LoggedIn(Struct, frozen=True, kw_only=True):
    """A session. `csrf_token` is needed on unsafe methods when the session comes as a cookie."""

    token: str
    expires_at: datetime
    csrf_token: str
    user: User


async def log_in(ctx: Context, actor: Actor, request: LogIn, *, agent: str) -> Done:
    """Begin a session. An unknown address and a wrong password take the same work and give the same answer.

    Raises:
        NotAuthenticated: `invalid_credentials`.
        RateLimited: `too_many_attempts`.
    """
    email = request.email.strip().lower()
    await attempts.count(ctx, actor, "log_in", email)
    row = await ctx.pool.fetchrow(
        "SELECT u.id, u.email, u.first_name, u.last_name, u.role, u.password_hash, m.account_id "
        "FROM portal.users u LEFT JOIN portal.id_mappings m ON m.user_id = u.id WHERE lower(u.email) = $1",
        email,
    )
    if not await passwords.matches(row["password_hash"] if row else None, request.password):
        await audit.record(ctx.pool, actor, "log_in", "refused", user_id=row["id"] if row else None)
        raise NotAuthenticated("E-mail address or password is wrong.", code="invalid_credentials")
    await attempts.forget(ctx, actor, "log_in", email)
    opened = await sessions.open_session(ctx.pool, ctx.settings, row["id"], actor.address, agent)
    await audit.record(ctx.pool, actor, "log_in", "ok", user_id=row["id"], account_id=row["account_id"])
    user = User(user_id=row["id"], **{name: row[name] for name in ("email", "first_name", "last_name", "role")})
    return Done((opened, user))


async def log_out(ctx: Context, actor: Actor) -> None:
    """End this session."""
    if actor.session_id:
        await sessions.revoke(ctx.pool, actor.session_id)
        await audit.record(ctx.pool, actor, "log_out", "ok")
