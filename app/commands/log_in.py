"""Log in and out.

Writes: portal.sessions, portal.audit. Failures are counted in Redis per address and e-mail; without Redis they are not,
and the route's rate limit still holds.
"""

import hashlib
from datetime import datetime
from typing import Annotated
from uuid import UUID

import structlog
from msgspec import Meta, Struct
from redis.exceptions import RedisError

from app.commands import audit, passwords, sessions
from app.commands.context import Actor, Context, Done
from app.commands.sign_up import User
from app.errors import NotAuthenticated, RateLimited

MOST_FAILURES = 5
WINDOW_SECONDS = 900

log = structlog.get_logger()


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
    counter = _counter(email, actor.address)
    await _refuse_after_failures(ctx, counter)
    row = await ctx.pool.fetchrow(
        "SELECT u.id, u.email, u.first_name, u.last_name, u.role, u.password_hash, m.account_id "
        "FROM portal.users u LEFT JOIN portal.id_mappings m ON m.user_id = u.id WHERE lower(u.email) = $1",
        email,
    )
    if not await passwords.matches(row["password_hash"] if row else None, request.password):
        await _count_failure(ctx, counter)
        await audit.record(ctx.pool, actor, "log_in", "refused", user_id=row["id"] if row else None)
        raise NotAuthenticated("E-mail address or password is wrong.", code="invalid_credentials")
    opened = await sessions.open_session(ctx.pool, ctx.settings, row["id"], actor.address, agent)
    await audit.record(ctx.pool, actor, "log_in", "ok", user_id=row["id"], account_id=row["account_id"])
    user = User(
        user_id=row["id"],
        email=row["email"],
        first_name=row["first_name"],
        last_name=row["last_name"],
        role=row["role"],
    )
    return Done((opened, user))


async def log_out(ctx: Context, actor: Actor) -> None:
    """End this session."""
    if actor.session_id:
        await sessions.revoke(ctx.pool, actor.session_id)
        await audit.record(ctx.pool, actor, "log_out", "ok")


async def user_of(ctx: Context, user_id: UUID) -> User:
    """The user behind a session."""
    row = await ctx.pool.fetchrow(
        "SELECT id AS user_id, email, first_name, last_name, role FROM portal.users WHERE id = $1", user_id
    )
    return User(**dict(row))


def _counter(email: str, address: str) -> str:
    digest = hashlib.sha256(f"{email}\0{address}".encode()).hexdigest()[:32]
    return f"portal:login-failures:{digest}"


async def _refuse_after_failures(ctx: Context, counter: str) -> None:
    try:
        failures, left_seconds = int(await ctx.redis.get(counter) or 0), await ctx.redis.ttl(counter)
    except RedisError:
        return
    if failures >= MOST_FAILURES:
        raise RateLimited(
            "Too many failed attempts. Please wait before you try again.",
            code="too_many_attempts",
            retry_after_seconds=max(left_seconds, 1),
        )


async def _count_failure(ctx: Context, counter: str) -> None:
    try:
        async with ctx.redis.pipeline() as pipe:
            pipe.incr(counter)
            pipe.expire(counter, WINDOW_SECONDS, nx=False)
            await pipe.execute()
    except RedisError as error:
        log.warning("redis_unavailable_failure_not_counted", error=repr(error))
