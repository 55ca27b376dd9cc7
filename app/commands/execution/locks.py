"""Mutual exclusion across processes by advisory locks in Postgres, which a process holds in one session of its own.

The locks are not held on connections of the pool: a command that waits for an upstream under a lock needs the pool as
well, and enough of them at once would deadlock. Nor do they take one connection each: connections are few, and commands
that wait for upstreams would exhaust them. The session carries a heartbeat, so that a frozen process loses its locks.

A lock's name contains its account: what callers name is locked under their own account, so that nobody can hold a lock
of another's.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from app import leases
from app.concurrency_limit import ConcurrencyLimit
from app.db import connect
from app.leases import Held

MOST_HELD = 512
"""Locks that one process holds at a time: as many as concurrent requests."""
MOST_OF_ACCOUNT = 4
_TRY = "SELECT pg_try_advisory_lock(hashtextextended($1, 0))"
_FREE = "SELECT pg_advisory_unlock(hashtextextended($1, 0))"


class LockAttempt:
    """The result of trying a lock: true if it was acquired."""

    def __init__(self, held: Held | None) -> None:
        self._held = held

    def __bool__(self) -> bool:
        return self._held is not None

    async def prove(self) -> None:
        """Verify that the lock is still held, before a write that no other holder may have made in the meantime.

        Raises:
            Lost: this process was frozen for too long, and another may hold the lock.
        """
        if self._held is not None:
            await self._held.prove()


class Locks:
    """The locks of one process. Their session is opened for the first lock, and again after it was lost."""

    def __init__(self, database_url: str) -> None:
        self._database_url = database_url
        self._room = ConcurrencyLimit(MOST_HELD, MOST_OF_ACCOUNT)
        self._names: set[str] = set()
        self._session: Held | None = None
        self._opening = asyncio.Lock()
        self._ending: set[asyncio.Task[None]] = set()

    @asynccontextmanager
    async def exclusively(self, kind: str, account: object, item: str = "") -> AsyncIterator[LockAttempt]:
        """Hold the lock for one kind of work on `item` of an account, or yield false at once if it is held elsewhere.
        Work that belongs to no account, such as an order's, passes its own id as `account`.

        Raises:
            Overloaded: `server_busy`, this account or this process holds as many locks as it may.
        """
        name = f"{kind}:{account}:{item}"
        async with self._room.slot(str(account)):
            if name in self._names:  # Postgres would give it to this session again
                yield LockAttempt(None)
                return
            self._names.add(name)
            taking = asyncio.create_task(self._acquire(name))
            try:
                yield LockAttempt(await asyncio.shield(taking))
            finally:
                ending = asyncio.create_task(self._release(name, taking))
                self._ending.add(ending)
                ending.add_done_callback(self._ending.discard)
                await asyncio.shield(ending)

    async def close(self) -> None:
        """Release every lock by closing the session."""
        if self._session is not None:
            await self._drop(self._session)

    async def _acquire(self, name: str) -> Held | None:
        session = await self._open()
        return session if await session.fetchval(_TRY, name) else None

    async def _release(self, name: str, taking: "asyncio.Task[Held | None]") -> None:
        """Release the lock, also if it was cancelled while it was being acquired."""
        await asyncio.wait([taking])
        try:
            if not taking.cancelled() and not taking.exception() and (session := taking.result()):
                await _unlock(session, name)
        finally:
            self._names.discard(name)

    async def _open(self) -> Held:
        async with self._opening:
            if self._session is not None and (self._session.lost.done() or self._session.is_closed()):
                await self._drop(self._session)
            if self._session is None:
                self._session = Held(await connect(self._database_url, leases.HOLDER, **leases.bounds()))
            return self._session

    async def _drop(self, session: Held) -> None:
        self._session = None
        await session.stop()
        with contextlib.suppress(Exception):  # the session is dead, and its locks are released with it
            await session.close(timeout=2)
            return
        session.terminate()


async def _unlock(session: Held, name: str) -> None:
    try:
        await session.execute(_FREE, name)
    except Exception:  # dead or in an unknown state; ending it releases all its locks
        session.terminate()
