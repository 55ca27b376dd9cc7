"""One listener leads. A lock whose holder must prove that it lives tells which, so that another takes over within
seconds of the leader's death or of its freezing.
"""

import asyncio
from collections.abc import Awaitable, Callable

import asyncpg
import structlog

from app import leases
from app.leases import Lock
from app.lock_numbers import LockSpace

LEADER_LOCK = Lock(LockSpace.LEADER)
ASK_SECONDS = 1

log = structlog.get_logger()


async def lead(pool: asyncpg.Pool, work: Callable[[], Awaitable[None]]) -> None:
    """Run `work` while holding the leader lock; wait for it as long as another listener leads.

    Raises:
        Lost, and what `work` raises.
    """
    async with pool.acquire() as connection:
        while not await leases.take(connection, LEADER_LOCK):
            await asyncio.sleep(ASK_SECONDS)
        log.info("listener_leads")
        async with leases.holding(connection, LEADER_LOCK) as held:
            await leases.while_held(held, work)
