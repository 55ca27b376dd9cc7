"""Work under a lock: done by the one process that holds it, and cancelled when the lock is lost."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import asyncpg

from app import tasks
from app.db import Db
from app.leases import lock as locks
from app.leases.held import Held, Lost, free, holding, take, taken
from app.leases.lock import Lock, bounds

CONNECTION_SECONDS = 30
"""How long to wait for a connection of the pool."""


async def work_off(
    pool: asyncpg.Pool,
    lock: Lock,
    work: Callable[[Any], Awaitable[bool]],
    left: Callable[[Any], Awaitable[bool]],
    *,
    proving: bool = True,
) -> bool:
    """Do `work` while holding the lock, and repeat while something is `left` after its release; False if it is taken.

    `work` returns whether it may be repeated. Nobody waits for the lock, so a wake-up that came while it was held was
    dropped. The work it announced was committed before, so the last check, after the release, sees it. Work that only
    talks to Postgres needs no `proving`.
    """
    async with pool.acquire(timeout=CONNECTION_SECONDS) as connection:
        if not await take(connection, lock):
            return False
        while True:
            async with (holding if proving else taken)(connection, lock) as held:
                again = await work(held)
            if not again or not await left(connection) or not await take(connection, lock):
                return True


@asynccontextmanager
async def those_free(
    connection: Db, space: int, keys: Sequence[int], settings: Sequence[tuple[str, str]] = ()
) -> AsyncIterator[list[int]]:
    """Hold the free locks among those keys of a space, for work that only talks to Postgres."""
    made = ", ".join(f"set_config('{name}', '{value}', false)" for name, value in [*bounds().items(), *settings])
    free_keys: list[int] = await connection.fetchval(
        f"SELECT ARRAY(SELECT k FROM unnest($2::int[]) AS k WHERE pg_try_advisory_lock($1, k)), {made}",
        space,
        list(keys),
    )
    try:
        yield free_keys
    finally:
        await free(connection, "SELECT pg_advisory_unlock($1, k) FROM unnest($2::int[]) AS k", space, free_keys)


@asynccontextmanager
async def named(pool: asyncpg.Pool, space: int, name: str) -> AsyncIterator[Held | None]:
    """Hold the lock of a name on a connection of the pool; None if it is taken."""
    async with pool.acquire(timeout=CONNECTION_SECONDS) as connection:
        lock = Lock(space, await connection.fetchval("SELECT hashtext($1)", name))
        if not await take(connection, lock):
            yield None
            return
        async with holding(connection, lock) as held:
            yield held


async def alone(
    pool: asyncpg.Pool, space: int, name: str, work: Callable[[], Awaitable[None]], most_seconds: float | None = None
) -> bool:
    """Do `work`, which uses other connections, while holding the lock of this name; False if it is taken.

    The work is cancelled if the lock is lost, and if it takes longer than `most_seconds`.

    Raises:
        Lost, TimeoutError, and what `work` raises.
    """
    async with named(pool, space, name) as held:
        if held is not None:
            async with asyncio.timeout(most_seconds):
                await while_held(held, work)
        return held is not None


async def while_held(held: Held, work: Callable[[], Awaitable[None]]) -> None:
    """Do `work` to its end, or cancel it when the lock is lost.

    Raises:
        Lost, and what `work` raises.
    """
    working = asyncio.ensure_future(work())
    try:
        await asyncio.wait([working, held.lost], return_when=asyncio.FIRST_COMPLETED)
        if not working.done():
            raise Lost("the lock was lost while it was held")
        await working
    finally:
        await tasks.end(working, within_seconds=locks.FROZEN_SECONDS / 2)
