"""Rate limits: per address on public and auth routes, per account elsewhere, stricter where it is about payment; one
window a minute, counted in Redis.

Without Redis the count is kept in the process, bounded, so that limits weaken but never vanish. Reads from memory are
counted in the process first (`app/http/guards/local_counts.py`), under the same keys.
"""

import time
from typing import Any

from litestar.connection import ASGIConnection
from litestar.handlers.base import BaseRouteHandler
from redis.exceptions import RedisError

from app.cache.redis_breaker import GuardedRedis
from app.commands.execution.context import Actor, Context
from app.errors import RateLimited
from app.http.guards.local_counts import Tallies
from app.http.guards.networks import INTERNAL
from app.http.guards.roles import is_open
from app.intake.addresses import counted
from app.settings import Settings

WINDOW_SECONDS = 60
PROOFS = ("/api/auth/password/", "/api/auth/mfa/")
"""Routes on which a secret is proven, whoever is logged in."""
PAYING = ("/api/invoices/", "/api/payment-methods/")
LIVE = ("/preview", "/usage", "/control-panel-link")
"""How routes end that ask an upstream at once."""
UNLIMITED = ("/api/health/live", "/api/health/ready", "/webhooks/")
"""Asked by load balancers all the time; admitted by their signature."""

_COUNT = """
local n = redis.call('INCRBY', KEYS[1], ARGV[2])
if n == tonumber(ARGV[2]) then redis.call('EXPIRE', KEYS[1], ARGV[1]) end
return n
"""


class Counters:
    """How often each key was seen in the present window."""

    def __init__(self, redis: GuardedRedis, tallies: Tallies) -> None:
        self._redis, self._tallies = redis, tallies

    async def count(self, subject: str, window: int) -> int:
        """Count once more, exactly while Redis is there."""
        if not self._redis.breaker.closed:
            return self._tallies.count(subject, window)
        tally = self._tallies.of(subject, window)
        more, tally.unsaid = tally.unsaid + 1, 0
        try:
            arguments = (f"{subject}:{window}", str(WINDOW_SECONDS), str(more))
            tally.said = int(await self._redis.eval(_COUNT, 1, *arguments))  # type: ignore[misc]
        except (RedisError, OSError):
            tally.said += more
        return tally.said + tally.unsaid

    async def count_here(self, subject: str, window: int) -> int:
        """The same without waiting for Redis, for what must be answered whatever hangs."""
        return self._tallies.count(subject, window)


async def limit_rate(connection: ASGIConnection[Any, Any, Any, Any], handler: BaseRouteHandler) -> None:
    """Count the request in its class; headers say how much is left.

    Raises:
        RateLimited: with the seconds until the window ends.
    """
    path = connection.scope["path"]
    if path.startswith(UNLIMITED):
        return
    context: Context = connection.app.state.context
    policy, limit, subject = _class_of(path, context.settings, connection.state.actor)
    now = int(time.time())
    left_seconds = WINDOW_SECONDS - now % WINDOW_SECONDS
    counters: Counters = connection.app.state.counters
    count = counters.count_here if policy == "internal" else counters.count
    used = await count(f"portal:rate:{policy}:{subject}", now // WINDOW_SECONDS)
    connection.scope["extra_headers"] = (  # type: ignore[typeddict-unknown-key]
        (b"ratelimit-policy", f'"{policy}";q={limit};w={WINDOW_SECONDS}'.encode()),
        (b"ratelimit", f'"{policy}";r={max(limit - used, 0)};t={left_seconds}'.encode()),
    )
    if used > limit:
        raise RateLimited(retry_after_seconds=left_seconds)


def _class_of(path: str, settings: Settings, actor: Actor) -> tuple[str, int, str]:
    """Requests that should have a session and have none count against their address."""
    if path.startswith("/api/auth/") and (is_open(path) or path.startswith(PROOFS)):
        return "auth", settings.auth_rate_per_minute, counted(actor.address)
    if path.startswith(INTERNAL):
        return "internal", settings.public_rate_per_minute, counted(actor.address)
    if actor.user_id is None:
        return "public", settings.public_rate_per_minute, counted(actor.address)
    if actor.role != "customer":
        return "staff", settings.staff_rate_per_minute, str(actor.user_id)
    if path.startswith(PAYING) and path.endswith(("-link", "/link", "/pay")):
        return "payment", settings.payment_rate_per_minute, str(actor.account_id)
    if path.startswith("/api/subscriptions/") and path.endswith(LIVE):
        return "live", settings.live_rate_per_minute, str(actor.account_id)
    return "account", settings.account_rate_per_minute, str(actor.account_id or actor.user_id)
