"""A held lock: taking it, proving that its holder is alive, releasing it."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg

from app import tasks
from app.db import Db
from app.leases import lock as locks
from app.leases.lock import Lock

PROVE_SECONDS = 2.0
_GUARDED = frozenset(
    {"execute", "executemany", "fetch", "fetchmany", "fetchrow", "fetchval", "copy_records_to_table", "prepare"}
)
_GONE = (asyncpg.PostgresError, asyncpg.InterfaceError, OSError)


class Lost(ConnectionError):
    """The lock is lost and another process may hold it. Nothing may be written on the strength of it."""


class Held:
    """A connection that holds a lock: proves regularly that its holder is alive, and serialises its statements.

    It is used like any connection. The task `lost` ends when the lock is lost.
    """

    def __init__(self, connection: Any) -> None:
        self._connection = connection
        self._turn = asyncio.Lock()
        self.lost = asyncio.create_task(self._prove_until_lost())

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._connection, name)
        if name not in _GUARDED:
            return method

        async def guarded(*arguments: Any, **options: Any) -> Any:
            async with self._turn:
                return await method(*arguments, **options)

        return guarded

    @asynccontextmanager
    async def transaction(self, **options: Any) -> AsyncIterator[None]:
        """Open a transaction; its beginning and end are serialised with the proofs as well."""
        transaction = self._connection.transaction(**options)
        async with self._turn:
            await transaction.start()
        try:
            yield
        except BaseException:
            async with self._turn:
                await transaction.rollback()
            raise
        async with self._turn:
            await transaction.commit()

    async def prove(self) -> None:
        """Prove that the holder is alive.

        Raises:
            Lost: there was no proof for too long.
        """
        if self._connection.is_in_transaction():
            return  # bounded by itself: a transaction only talks to Postgres
        try:
            async with self._turn:
                await self._connection.fetchval("SELECT 1", timeout=locks.FROZEN_SECONDS)
        except Exception as error:
            raise Lost(repr(error)) from error

    async def _prove_until_lost(self) -> None:
        with contextlib.suppress(Lost):
            while True:
                await asyncio.sleep(PROVE_SECONDS)
                await self.prove()

    async def stop(self) -> None:
        """Stop proving that the holder is alive."""
        await tasks.end(self.lost)


async def take(connection: Db, lock: Lock) -> bool:
    """Try the lock. From now on the connection may not be idle, until it returns to the pool."""
    return bool(await connection.fetchval(lock.trying(), *lock.numbers))


@asynccontextmanager
async def taken(connection: Any, lock: Lock) -> AsyncIterator[Any]:
    """Release the lock at the end. A connection that cannot is closed, which releases it too."""
    try:
        yield connection
    finally:
        await free(connection, lock.freeing(), *lock.numbers)


async def free(connection: Any, statement: str, *values: object) -> None:
    """Execute a statement that releases a lock; a connection that cannot is closed, which releases it too."""
    try:
        await connection.execute(statement, *values)
    except BaseException as error:
        with contextlib.suppress(asyncpg.InterfaceError):  # the pool has already dropped a closed connection
            connection.terminate()
        if not isinstance(error, _GONE):
            raise


@asynccontextmanager
async def holding(connection: Any, lock: Lock) -> AsyncIterator[Held]:
    """Prove that the holder of a taken lock is alive, and release the lock at the end."""
    async with taken(connection, lock):
        held = Held(connection)
        try:
            yield held
        finally:
            await held.stop()
