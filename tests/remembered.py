"""What processes and Redis remember, for tests that turn the clock back in the tables alone."""

import asyncio
from typing import Any

from redis.asyncio import Redis

from app.readmodels.watch import CHANNEL, LEASE_SECONDS, heard_everywhere


async def forget_everywhere(pool: Any, redis: Redis) -> None:
    """No process and no copy knows any answer any more, also none that is on its way to Redis now."""
    await pool.execute("SELECT pg_notify($1, '*')", CHANNEL)
    await heard_everywhere()
    await asyncio.sleep(LEASE_SECONDS)
    if copies := [key async for key in redis.scan_iter("portal:*:page:*")]:
        await redis.delete(*copies)
