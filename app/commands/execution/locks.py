"""One at a time: advisory locks in Postgres, all that a process holds in one session of it, and given up with it.

Not in connections of the pool: whoever waits upstream under a lock needs the pool as well, and enough of them at once
would wait for each other for ever. And not in one connection each: those are few, and whoever waits upstream would keep
them from everybody else. The process proves that it lives, so that one that is frozen gives its turns up.

A lock is named by whose it is: what callers name is taken under their own account, so that nobody can hold what is
another's.
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
"""Locks of one process at a time: as many as requests."""
MOST_OF_ACCOUNT = 4
_TRY = "SELECT pg_try_advisory_lock(hashtextextended($1, 0))"
_FREE = "SELECT pg_advisory_unlock(hashtextextended($1, 0))"


class Turn:
    """Whether the lock is ours: true or false, as it was when it was tried."""

    def __init__(self, held: Held | None) -> None:
        self._held = held

    def __bool__(self) -> bool:
        return self._held is not None

    async def prove(self) -> None:
        """Make sure that it still is, before something is written that nobody else may have written meanwhile.

        Raises:
            Lost: we were frozen for too long, and somebody else may have taken our place.
        """
        if self._held is not None:
            await self._held.prove()


class Locks:
    """The locks of one process. Its session is opened when the first is asked for, and anew after it was lost."""

    def __init__(self, database_url: str) -> None:
        self._database_url = database_url
        self._room = ConcurrencyLimit(MOST_HELD, MOST_OF_ACCOUNT)
        self._names: set[str] = set()
        self._session: Held | None = None
        self._opening = asyncio.Lock()
        self._ending: set[asyncio.Task[None]] = set()

    @asynccontextmanager
    async def exclusively(self, kind: str, account: object, item: str = "") -> AsyncIterator[Turn]:
        """Hold the lock of one kind of work on `item` of an account; yields a false turn at once when somebody else
        does. Work that belongs to no account, as an order's, is its own `account`.

        Raises:
            Overloaded: `server_busy`, this account, or this process, holds as many locks as it may.
        """
        name = f"{kind}:{account}:{item}"
        async with self._room.slot(str(account)):
            if name in self._names:  # Postgres would give it to this session again
                yield Turn(None)
                return
            self._names.add(name)
            taking = asyncio.create_task(self._take(name))
            try:
                yield Turn(await asyncio.shield(taking))
            finally:
                ending = asyncio.create_task(self._give_back(name, taking))
                self._ending.add(ending)
                ending.add_done_callback(self._ending.discard)
                await asyncio.shield(ending)

    async def close(self) -> None:
        """Give everything up."""
        if self._session is not None:
            await self._leave(self._session)

    async def _take(self, name: str) -> Held | None:
        session = await self._open()
        return session if await session.fetchval(_TRY, name) else None

    async def _give_back(self, name: str, taking: "asyncio.Task[Held | None]") -> None:
        """Also of one that was cancelled while it was being taken."""
        await asyncio.wait([taking])
        try:
            if not taking.cancelled() and not taking.exception() and (session := taking.result()):
                await _freed(session, name)
        finally:
            self._names.discard(name)

    async def _open(self) -> Held:
        async with self._opening:
            if self._session is not None and (self._session.lost.done() or self._session.is_closed()):
                await self._leave(self._session)
            if self._session is None:
                self._session = Held(await connect(self._database_url, leases.HOLDER, **leases.bounds()))
            return self._session

    async def _leave(self, session: Held) -> None:
        self._session = None
        await session.stop()
        with contextlib.suppress(Exception):  # it is dead, and its locks with it
            await session.close(timeout=2)
            return
        session.terminate()


async def _freed(session: Held, name: str) -> None:
    try:
        await session.execute(_FREE, name)
    except Exception:  # it is dead, or in an unknown state; with it go all its locks
        session.terminate()
