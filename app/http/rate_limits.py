"""Rate limits: per address on public and auth routes, per account elsewhere; one window a minute, counted in Redis.

Without Redis the count is kept in the process, bounded, so that limits weaken but never vanish.
"""

import time
from typing import Any

import structlog
from litestar.connection import ASGIConnection
from litestar.handlers.base import BaseRouteHandler
from redis.exceptions import RedisError

from app.commands.context import Context
from app.errors import RateLimited
from app.http.addresses import client_address
from app.settings import Settings

WINDOW_SECONDS = 60
MOST_LOCAL_KEYS = 10_000
UNLIMITED = ("/api/health/", "/metrics", "/webhooks/")

_COUNT = """
local n = redis.call('INCR', KEYS[1])
if n == 1 then redis.call('EXPIRE', KEYS[1], ARGV[1]) end
return n
"""
_local: dict[str, int] = {}

log = structlog.get_logger()


async def limit_rate(connection: ASGIConnection[Any, Any, Any, Any], handler: BaseRouteHandler) -> None:
    """Count the request in its class; headers say how much is left.

    Raises:
        RateLimited: with the seconds until the window ends.
    """
    context: Context = connection.app.state.context
    path, scope = connection.scope["path"], connection.scope
    address = client_address(connection, context.settings)
    if path.startswith(UNLIMITED):
        return
    policy, limit, subject = _class_of(path, context.settings, address, connection)
    now = int(time.time())
    left_seconds = WINDOW_SECONDS - now % WINDOW_SECONDS
    used = await _count(context, f"portal:rate:{policy}:{subject}:{now // WINDOW_SECONDS}")
    remaining = max(limit - used, 0)
    scope["extra_headers"] = (  # type: ignore[typeddict-unknown-key]
        (b"ratelimit-policy", f'"{policy}";q={limit};w={WINDOW_SECONDS}'.encode()),
        (b"ratelimit", f'"{policy}";r={remaining};t={left_seconds}'.encode()),
    )
    if used > limit:
        raise RateLimited(retry_after_seconds=left_seconds)


def _class_of(
    path: str, settings: Settings, address: str, connection: ASGIConnection[Any, Any, Any, Any]
) -> tuple[str, int, str]:
    if path.startswith("/api/auth/"):
        return "auth", settings.auth_rate_per_minute, address
    if path.startswith(("/api/public/", "/schema")):
        return "public", settings.public_rate_per_minute, address
    actor = getattr(connection.state, "actor", None)
    return "account", settings.account_rate_per_minute, str(actor.account_id or actor.user_id) if actor else address


async def _count(context: Context, key: str) -> int:
    try:
        return int(await context.redis.eval(_COUNT, 1, key, str(WINDOW_SECONDS)))  # type: ignore[misc]
    except RedisError as error:
        log.warning("redis_unavailable_rate_counted_locally", error=repr(error))
    if len(_local) > MOST_LOCAL_KEYS:
        _local.clear()
    _local[key] = _local.get(key, 0) + 1
    return _local[key]
