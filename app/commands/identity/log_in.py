"""Log in and out.

Writes: portal.sessions, portal.users (a hash that is out of date), portal.sign_in_codes, portal.audit.
"""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from msgspec import Meta, Struct

from app.cache.lease import heard_everywhere
from app.commands.execution import execute
from app.commands.execution.context import Actor, Command, Context, Done
from app.commands.identity import login_throttle, passwords, second_factor, sign_in_codes
from app.commands.identity.sessions import session_store
from app.commands.identity.users import User
from app.errors import NotAuthenticated, PortalError
from app.inputs.email import KnownEmail
from app.inputs.numbers import Code
from app.words.sentence import say

_USER = """
SELECT u.id, u.email, u.first_name, u.last_name, u.role, u.password_hash, u.password_changed_at, m.account_id
FROM portal.users u LEFT JOIN portal.id_mappings m ON m.user_id = u.id WHERE lower(u.email) = $1
"""
_UNCHANGED = """
SELECT password_changed_at IS NOT DISTINCT FROM $2
       AND $3 = EXISTS (SELECT FROM portal.totp WHERE user_id = $1 AND confirmed_at IS NOT NULL)
FROM portal.users WHERE id = $1
"""


class LogIn(Struct, forbid_unknown_fields=True):
    """Portal credentials."""

    email: Annotated[KnownEmail, Meta(max_length=254)]
    password: Annotated[str, Meta(max_length=1024)]
    code: Annotated[Code, Meta(max_length=60)] = ""
    """From the authenticator app, or a recovery code; required after the answer `mfa_required`."""
    email_code: Annotated[Code, Meta(max_length=60)] = ""
    """A mailed sign-in code. With it, failed attempts of others do not lead to `too_many_attempts`."""


class LoggedIn(Struct, frozen=True, kw_only=True):
    """A new session. `csrf_token` is required for unsafe methods if the session is sent as a cookie."""

    token: str
    expires_at: datetime
    csrf_token: str
    user: User


class _Proof(Struct, frozen=True):
    """The proofs given with the password: the second factor, and access to the mailbox by a mailed code."""

    mfa: bool
    email_code: str


async def log_in(ctx: Context, actor: Actor, request: LogIn, *, agent: str = "") -> Done:
    """Open a session. An unknown address and a wrong password take the same time and give the same answer.

    Raises:
        NotAuthenticated: `invalid_credentials`, `mfa_required`, `mfa_code_invalid`.
        RateLimited: `too_many_attempts`.
    """
    row = await ctx.pool.fetchrow(_USER, request.email)
    user_id, account_id = (row["id"], row["account_id"]) if row else (None, None)
    try:
        proof = await _prove(ctx, actor, row, request)
        opened = await _open(ctx, actor, row, proof, agent)
    except PortalError as error:
        await execute.refused(ctx, actor, LOG_IN.name, error, user_id=user_id)
        raise
    await execute.record(ctx.pool, actor, LOG_IN.name, "ok", user_id=user_id, account_id=account_id, mfa=proof.mfa)
    assert row is not None, "without a user no proof succeeds"
    user = User(user_id=row["id"], **{name: row[name] for name in ("email", "first_name", "last_name", "role")})
    return Done((opened, user))


async def _prove(ctx: Context, actor: Actor, row: Any, request: LogIn) -> _Proof:
    """Verify the password, then the second factor if there is one. With a valid mailed code, failures are counted per
    user and separately from those of others."""
    mailed = await sign_in_codes.is_good(ctx.pool, request.email, request.email_code)
    action = "log_in:mailed" if mailed else "log_in"
    await login_throttle.count(ctx, actor, action, request.email, everywhere=mailed)
    verdict = await passwords.verdict(row["password_hash"] if row else None, request.password)
    if verdict == "wrong":
        raise _wrong()
    await login_throttle.forget(ctx, actor, action, request.email, everywhere=mailed)
    mfa = await second_factor.require(
        ctx, actor, row["id"], request.code, counted_as=f"{second_factor.COUNTED_AS}:mailed" if mailed else "mfa"
    )
    if verdict == "outdated":
        await _rehash(ctx, row["id"], row["password_hash"], request.password)
    return _Proof(mfa, request.email_code if mailed else "")


async def _open(ctx: Context, actor: Actor, row: Any, proof: _Proof, agent: str) -> session_store.Opened:
    """Open the session, unless the password or the second factor was changed since it was verified: the change ended
    every session, and must end this one too."""
    async with ctx.pool.acquire() as connection, connection.transaction():
        await session_store.hold(connection, row["id"])
        if not await connection.fetchval(_UNCHANGED, row["id"], row["password_changed_at"], proof.mfa):
            raise _wrong()
        if proof.email_code and not await sign_in_codes.use(connection, row["id"], proof.email_code):
            raise _wrong()
        return await session_store.open_session(
            connection, ctx.settings, row["id"], actor.address, agent, mfa=proof.mfa
        )


def _wrong() -> NotAuthenticated:
    return NotAuthenticated(say("identity.credentials_wrong"), code="invalid_credentials")


async def _rehash(ctx: Context, user_id: UUID, stored: str, password: str) -> None:
    """Replace an outdated hash, which is possible only while the password is known."""
    await ctx.pool.execute(
        "UPDATE portal.users SET password_hash = $3 WHERE id = $1 AND password_hash = $2",
        user_id,
        stored,
        await passwords.hashed(password),
    )


async def log_out(ctx: Context, actor: Actor, request: None = None) -> Done:
    """End this session in every process."""
    if actor.session_id:
        await session_store.revoke(ctx.pool, actor.session_id, user_id=actor.user_id)
        await heard_everywhere()
        await execute.record(ctx.pool, actor, LOG_OUT.name, "ok")
    return Done(None)


LOG_IN = Command(log_in, writes=(), away="refuse", replayable=False, audits_itself=True)
LOG_OUT = Command(log_out, writes=(), away="refuse", replayable=False, audits_itself=True)
COMMANDS = (LOG_IN, LOG_OUT)
