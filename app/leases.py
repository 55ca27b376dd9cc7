"""Advisory locks whose holder must prove that it is alive.

An advisory lock of Postgres lives as long as its session. A holder that is killed loses it at once; one that is
stopped, or whose host vanished, keeps its socket. So the session of a holder may be idle only for `FROZEN_SECONDS`:
then Postgres ends it, the lock is free, and a holder that wakes up finds its connection dead and cannot write anything.
A holder that waits for something else proves meanwhile that it is alive.

Postgres's own time-outs know two kinds of idleness. A session whose client was stopped in the middle of the protocol (a
statement parsed and not run, an answer not taken) is neither: it counts as active forever. Other processes end such
holders (`end_frozen`).

Locks are tried and never waited for: a process that finds one taken goes on to something else.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
import structlog
from msgspec import Struct

from app import tasks
from app.db import Db
from app.lock_numbers import LockSpace

FROZEN_SECONDS = 10
PROVE_SECONDS = 2.0
CONNECTION_SECONDS = 30
"""How long to wait for a connection of the pool."""
STATEMENT_SECONDS = 30
"""Time-out of one statement under a lock: its holder may be frozen and never see the end of it."""
_GUARDED = frozenset(
    {"execute", "executemany", "fetch", "fetchmany", "fetchrow", "fetchval", "copy_records_to_table", "prepare"}
)


log = structlog.get_logger()


class Lock(Struct, frozen=True):
    """The name of a lock: the space of its kind, and a number unless the kind has only one lock.

    `settings` are set in the session that takes it, until the session returns to the pool.
    """

    space: int
    key: int | None = None
    settings: tuple[tuple[str, str], ...] = ()

    @property
    def numbers(self) -> tuple[int, ...]:
        """The lock's numbers in Postgres."""
        return (self.space,) if self.key is None else (self.space, self.key)

    def trying(self) -> str:
        """Compose the statement that tries the lock and bounds its session."""
        settings = [*bounds().items(), *self.settings]
        made = ", ".join(f"set_config('{name}', '{value}', false)" for name, value in settings)
        return f"SELECT pg_try_advisory_lock({self._places}), {made}"

    def freeing(self) -> str:
        """Compose the statement that releases it."""
        return f"SELECT pg_advisory_unlock({self._places})"

    @property
    def _places(self) -> str:
        return "$1::bigint" if self.key is None else "$1, $2"


def bounds() -> dict[str, str]:
    """Return the session settings for the holder of a lock."""
    frozen = f"{FROZEN_SECONDS * 1000:.0f}ms"
    return {
        "idle_session_timeout": frozen,
        "idle_in_transaction_session_timeout": frozen,
        "statement_timeout": f"{STATEMENT_SECONDS}s",
    }


HOLDER = "portal-lock"
"""Application name of a session that only holds a lock."""
STUCK_SECONDS = 60
"""A session in the middle of a transaction without one of our locks is left alone for longer."""
_END_FROZEN = """
SELECT a.pid, pg_terminate_backend(a.pid) FROM pg_stat_activity a
WHERE a.datname = current_database() AND a.usename = current_user AND starts_with(a.application_name, 'portal')
  AND a.wait_event IN ('ClientRead', 'ClientWrite') AND a.pid <> pg_backend_pid()
  AND (a.state_change < clock_timestamp() - $2 * interval '1 second'
       AND (a.application_name = $3 OR EXISTS (
         SELECT FROM pg_locks l WHERE l.pid = a.pid AND l.locktype = 'advisory'
           AND (l.classid = ANY($1::oid[]) OR l.classid = 0 AND l.objid = ANY($1::oid[]))))
       OR a.state_change < clock_timestamp() - $4 * interval '1 second' AND a.state <> 'idle')
"""


async def end_frozen(pool: asyncpg.Pool) -> int:
    """End sessions that block others and whose client makes no progress; returns how many there were."""
    ended = await pool.fetch(_END_FROZEN, list(LockSpace), FROZEN_SECONDS, HOLDER, STUCK_SECONDS)
    if ended:
        log.error("frozen_holders_ended", sessions=[row["pid"] for row in ended])
    return len(ended)


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
                await self._connection.fetchval("SELECT 1", timeout=FROZEN_SECONDS)
        except Exception as error:
            raise Lost(repr(error)) from error

    async def _prove_until_lost(self) -> None:
        with contextlib.suppress(Lost):
            while True:
                await asyncio.sleep(PROVE_SECONDS)
                await self.prove()

    async def stop(self) -> None:
        """Stop proving."""
        await tasks.end(self.lost)


async def take(connection: Db, lock: Lock) -> bool:
    """Try the lock. From now on the connection may not be idle, until it returns to the pool."""
    return bool(await connection.fetchval(lock.trying(), *lock.numbers))


@asynccontextmanager
async def _taken(connection: Any, lock: Lock) -> AsyncIterator[Any]:
    """Release the lock at the end. A connection that cannot is closed, which releases it too."""
    try:
        yield connection
    finally:
        await _freed(connection, lock.freeing(), *lock.numbers)


async def _freed(connection: Any, statement: str, *values: object) -> None:
    try:
        await connection.execute(statement, *values)
    except BaseException as error:
        with contextlib.suppress(asyncpg.InterfaceError):  # the pool has already dropped a closed connection
            connection.terminate()
        if not isinstance(error, _GONE):
            raise


_GONE = (asyncpg.PostgresError, asyncpg.InterfaceError, OSError)


@asynccontextmanager
async def holding(connection: Any, lock: Lock) -> AsyncIterator[Held]:
    """Prove that the holder of a taken lock is alive, and release the lock at the end."""
    async with _taken(connection, lock):
        held = Held(connection)
        try:
            yield held
        finally:
            await held.stop()


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
            async with (holding if proving else _taken)(connection, lock) as held:
                again = await work(held)
            if not again or not await left(connection) or not await take(connection, lock):
                return True


@asynccontextmanager
async def those_free(
    connection: Db, space: int, keys: Sequence[int], settings: Sequence[tuple[str, str]] = ()
) -> AsyncIterator[list[int]]:
    """Hold the free locks among those keys of a space, for work that only talks to Postgres."""
    made = ", ".join(f"set_config('{name}', '{value}', false)" for name, value in [*bounds().items(), *settings])
    taken: list[int] = await connection.fetchval(
        f"SELECT ARRAY(SELECT k FROM unnest($2::int[]) AS k WHERE pg_try_advisory_lock($1, k)), {made}",
        space,
        list(keys),
    )
    try:
        yield taken
    finally:
        await _freed(connection, "SELECT pg_advisory_unlock($1, k) FROM unnest($2::int[]) AS k", space, taken)


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
        await tasks.end(working, within_seconds=FROZEN_SECONDS / 2)
