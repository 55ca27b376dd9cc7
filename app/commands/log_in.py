"""Log in and out.

Writes: portal.sessions, portal.users (a hash of older parameters), portal.audit.
"""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from msgspec import Meta, Struct

from app.commands import attempts, audit, passwords, second_factor, sessions
from app.commands.context import Actor, Context, Done
from app.commands.users import User
from app.errors import NotAuthenticated, PortalError
from app.readmodels.watch import heard_everywhere

_USER = """
SELECT u.id, u.email, u.first_name, u.last_name, u.role, u.password_hash, m.account_id
FROM portal.users u LEFT JOIN portal.id_mappings m ON m.user_id = u.id WHERE lower(u.email) = $1
"""


class LogIn(Struct, forbid_unknown_fields=True):
    """Portal credentials."""

    email: Annotated[str, Meta(max_length=254)]
    password: Annotated[str, Meta(max_length=1024)]
    code: Annotated[str, Meta(max_length=30)] = ""
    """Of the authenticator app, or a recovery code; needed when login answers `mfa_required`."""


class LoggedIn(Struct, frozen=True, kw_only=True):
    """A session. `csrf_token` is needed on unsafe methods when the session comes as a cookie."""

    token: str
    expires_at: datetime
    csrf_token: str
    user: User


async def log_in(ctx: Context, actor: Actor, request: LogIn, *, agent: str) -> Done:
    """Begin a session. An unknown address and a wrong password take the same work and give the same answer.

    Raises:
        NotAuthenticated: `invalid_credentials`, `mfa_required`, `mfa_code_invalid`.
        RateLimited: `too_many_attempts`.
    """
    email = request.email.strip().lower()
    row = await ctx.pool.fetchrow(_USER, email)
    user_id, account_id = (row["id"], row["account_id"]) if row else (None, None)
    try:
        mfa = await _prove(ctx, actor, email, row, request)
    except PortalError as error:
        await audit.refused(ctx, actor, "log_in", error, user_id=user_id)
        raise
    await _rehash_outdated(ctx, row["id"], row["password_hash"], request.password)
    opened = await sessions.open_session(ctx.pool, ctx.settings, row["id"], actor.address, agent, mfa=mfa)
    await audit.record(ctx.pool, actor, "log_in", "ok", user_id=user_id, account_id=account_id, mfa=mfa)
    user = User(user_id=row["id"], **{name: row[name] for name in ("email", "first_name", "last_name", "role")})
    return Done((opened, user))


async def _prove(ctx: Context, actor: Actor, email: str, row: Any, request: LogIn) -> bool:
    """Password first, then the second factor if there is one; whether there is."""
    await attempts.count(ctx, actor, "log_in", email)
    if not await passwords.matches(row["password_hash"] if row else None, request.password):
        raise NotAuthenticated("E-mail address or password is wrong.", code="invalid_credentials")
    await attempts.forget(ctx, actor, "log_in", email)
    return await second_factor.require(ctx, actor, row["id"], request.code)


async def _rehash_outdated(ctx: Context, user_id: UUID, stored: str, password: str) -> None:
    """The one moment at which a hash of older parameters can be replaced."""
    if passwords.is_outdated(stored):
        await ctx.pool.execute(
            "UPDATE portal.users SET password_hash = $3 WHERE id = $1 AND password_hash = $2",
            user_id,
            stored,
            await passwords.hashed(password),
        )


async def log_out(ctx: Context, actor: Actor) -> None:
    """End this session."""
    if actor.session_id:
        await sessions.revoke(ctx.pool, actor.session_id, user_id=actor.user_id)
        await heard_everywhere()
        await audit.record(ctx.pool, actor, "log_out", "ok")
