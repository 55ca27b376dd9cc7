"""Failed attempts at proving who one is, counted in Redis per action, e-mail address and caller's address.

Without Redis they are not counted, and the route's rate limit still holds.
"""

import hashlib

import structlog
from redis.exceptions import RedisError

from app.commands import audit
from app.commands.context import Actor, Context
from app.errors import RateLimited

MOST_FAILURES = 5
WINDOW_SECONDS = 900

_ATTEMPT = """
local n = redis.call('INCR', KEYS[1])
if n == 1 then redis.call('EXPIRE', KEYS[1], ARGV[1]) end
return {n, redis.call('TTL', KEYS[1])}
"""

log = structlog.get_logger()


async def count(ctx: Context, actor: Actor, action: str, email: str) -> None:
    """Count this attempt before it is made, so that many at once are counted too.

    Raises:
        RateLimited: `too_many_attempts`.
    """
    try:
        found = ctx.redis.eval(_ATTEMPT, 1, _key(action, email, actor.address), str(WINDOW_SECONDS))
        attempts, left_seconds = await found  # type: ignore[misc]
    except RedisError as error:
        log.warning("redis_unavailable_attempt_not_counted", error=repr(error))
        return
    if int(attempts) > MOST_FAILURES:
        await audit.record(ctx.pool, actor, action, "blocked")
        raise RateLimited(
            "Too many failed attempts. Please wait before you try again.",
            code="too_many_attempts",
            retry_after_seconds=max(int(left_seconds), 1),
        )


async def forget(ctx: Context, actor: Actor, action: str, email: str) -> None:
    """It succeeded: start counting anew."""
    try:
        await ctx.redis.delete(_key(action, email, actor.address))
    except RedisError as error:
        log.warning("redis_unavailable_attempts_not_forgotten", error=repr(error))


def _key(action: str, email: str, address: str) -> str:
    digest = hashlib.sha256(f"{email}\0{address}".encode()).hexdigest()[:32]
    return f"portal:failures:{action}:{digest}"
