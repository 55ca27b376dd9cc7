"""One listener leads. An advisory lock tells which; it lives and dies with its connection, so another takes over within
seconds of the leader's death. A leader that is frozen but not dead keeps its socket: Postgres ends its session when it
no longer proves itself.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable

import asyncpg
import structlog

LEADER_LOCK = 0x1B0E
ASK_SECONDS = 1
PROVE_SECONDS = 2
FROZEN_SECONDS = 15

log = structlog.get_logger()


async def lead(pool: asyncpg.Pool, work: Callable[[], Awaitable[None]]) -> None:
    """Run `work` while holding the leader lock; wait for it as long as another listener leads."""
    async with pool.acquire() as connection:
        while not await connection.fetchval("SELECT pg_try_advisory_lock($1)", LEADER_LOCK):
            await asyncio.sleep(ASK_SECONDS)
        await connection.execute(f"SET idle_session_timeout = '{int(FROZEN_SECONDS * 1000)}ms'")
        log.info("listener_leads")
        task = asyncio.ensure_future(work())
        try:
            while not task.done():
                await asyncio.wait([task], timeout=PROVE_SECONDS)
                await connection.fetchval("SELECT 1", timeout=PROVE_SECONDS * 5)
            await task
        finally:
            task.cancel()
            await asyncio.wait([task], timeout=5)
            with contextlib.suppress(asyncpg.PostgresError, asyncpg.InterfaceError, OSError):
                await connection.execute("SELECT pg_advisory_unlock_all()")
