"""Leader election of the listeners: a lock whose holder must prove that it is alive.

Another listener takes over within seconds when the leader dies or freezes.
"""

import asyncio
from collections.abc import Awaitable, Callable

import asyncpg
import structlog

from app import leases
from app.leases import Lock
from app.lock_numbers import LockSpace

LEADER_LOCK = Lock(LockSpace.LEADER)
RETRY_SECONDS = 1

log = structlog.get_logger()


async def lead(pool: asyncpg.Pool, work: Callable[[], Awaitable[None]]) -> None:
    """Run `work` while holding the leader lock; wait for the lock while another listener leads.

    Raises:
        Lost, and what `work` raises.
    """
    async with pool.acquire() as connection:
        while not await leases.take(connection, LEADER_LOCK):
            await asyncio.sleep(RETRY_SECONDS)
        log.info("listener_leads")
        async with leases.holding(connection, LEADER_LOCK) as held:
            await leases.while_held(held, work)
