"""Rate limits: per address on public and auth routes, per account elsewhere, stricter for payments. A window is one
minute, counted in Redis.

Without Redis the process counts alone, so that limits weaken but never vanish. Reads from memory are counted in the
process first (`app/http/guards/local_counts.py`), under the same keys.
"""

import time
from typing import Literal

from litestar.handlers.base import BaseRouteHandler
from redis.exceptions import RedisError

from app.cache.redis_breaker import GuardedRedis
from app.commands.execution.context import Actor
from app.errors import RateLimited
from app.http.answering.handler_types import AnyConnection, context_of
from app.http.guards.local_counts import LocalCounts
from app.http.policies.policy import RateClass, policy_of
from app.intake.addresses import counted
from app.settings import Settings

WINDOW_SECONDS = 60

_COUNT = """
local n = redis.call('INCRBY', KEYS[1], ARGV[2])
if n == tonumber(ARGV[2]) then redis.call('EXPIRE', KEYS[1], ARGV[1]) end
return n
"""


class Counters:
    """The number of requests per key in the present window."""

    def __init__(self, redis: GuardedRedis, local: LocalCounts) -> None:
        self._redis, self._local = redis, local

    async def count(self, subject: str, window: int) -> int:
        """Count once more, exactly as long as Redis is available."""
        if not self._redis.breaker.closed:
            return self._local.count(subject, window)
        count = self._local.of(subject, window)
        more, count.pending = count.pending + 1, 0
        try:
            arguments = (f"{subject}:{window}", str(WINDOW_SECONDS), str(more))
            count.flushed = int(await self._redis.eval(_COUNT, 1, *arguments))  # type: ignore[misc]
        except (RedisError, OSError):
            count.flushed += more
        return count.flushed + count.pending

    async def count_here(self, subject: str, window: int) -> int:
        """Count once more without waiting for Redis, on routes that must answer whatever hangs."""
        return self._local.count(subject, window)


async def limit_rate(connection: AnyConnection, handler: BaseRouteHandler) -> None:
    """Count the request in its class, and say in its headers how much of the limit is left.

    Raises:
        RateLimited: with the seconds until the window ends.
    """
    declared = policy_of(handler).limit
    if declared == "none":
        return
    context = context_of(connection)
    counted_as, subject = _counted(declared, connection.state.actor)
    limit = per_minute(counted_as, context.settings)
    now = int(time.time())
    left_seconds = WINDOW_SECONDS - now % WINDOW_SECONDS
    counters: Counters = connection.app.state.counters
    count = counters.count_here if counted_as == "internal" else counters.count
    used = await count(f"portal:rate:{counted_as}:{subject}", now // WINDOW_SECONDS)
    connection.scope["extra_headers"] = (  # type: ignore[typeddict-unknown-key]
        (b"ratelimit-policy", f'"{counted_as}";q={limit};w={WINDOW_SECONDS}'.encode()),
        (b"ratelimit", f'"{counted_as}";r={max(limit - used, 0)};t={left_seconds}'.encode()),
    )
    if used > limit:
        raise RateLimited(retry_after_seconds=left_seconds)


def per_minute(limit: RateClass | Literal["staff"], settings: Settings) -> int:
    """Return how many requests of a class one subject may send in a minute."""
    rates = {
        "auth": settings.auth_rate_per_minute,
        "staff": settings.staff_rate_per_minute,
        "payment": settings.payment_rate_per_minute,
        "live": settings.live_rate_per_minute,
        "account": settings.account_rate_per_minute,
    }
    return rates.get(limit, settings.public_rate_per_minute)


def _counted(limit: RateClass, actor: Actor) -> tuple[RateClass | Literal["staff"], str]:
    """Choose the class and the subject of a request; without a session it counts against its address."""
    if limit in ("auth", "internal"):
        return limit, counted(actor.address)
    if actor.user_id is None:
        return "public", counted(actor.address)
    if actor.role != "customer":
        return "staff", str(actor.user_id)
    return limit, str(actor.account_id or actor.user_id)
