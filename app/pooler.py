"""Detection of a transaction pooler in front of Postgres.

Through such a pooler every transaction may meet another session, so nothing that a session holds is reliable: advisory
locks, LISTEN, settings, prepared statements. Everything appears to work until two workers do the same thing at once. So
processes that depend on sessions check before they begin.
"""

import asyncio
from contextlib import AsyncExitStack

import asyncpg

from app.errors import TransactionPooler

OTHERS = 4
"""Connections that each keep a session busy, so that a pooler has to hand out another."""
CONNECT_SECONDS = 5
LOOK_SECONDS = 5
_SESSION = "SELECT pg_backend_pid()"
_SHARED = (
    asyncpg.InvalidSQLStatementNameError,  # prepared in one session, run in another
    asyncpg.DuplicatePreparedStatementError,
    asyncpg.ProtocolViolationError,  # the pooler's own refusals, of parameters and of transactions
)


async def refuse_transaction_pooler(database_url: str) -> None:
    """Verify that a connection is a session of its own.

    Raises:
        TransactionPooler: it is not.
        OSError, asyncpg.PostgresError: Postgres cannot be reached.
    """
    try:
        async with AsyncExitStack() as stack:
            shared = await _shares(stack, database_url)
    except _SHARED as error:
        raise TransactionPooler() from error
    if shared:
        raise TransactionPooler()


async def _shares(stack: AsyncExitStack, database_url: str) -> bool:
    """Return true if one connection meets several sessions, or several connections meet the same.

    A pooler hands out the session that was returned last, or the one that was returned first. So one connection asks
    for its session repeatedly, while more and more others occupy theirs in a transaction; then all return theirs and
    ask at once.
    """
    first = await _open(stack, database_url)
    own = await first.fetchval(_SESSION)
    seen = {own: first}
    for _ in range(OTHERS):
        try:
            other = await _open(stack, database_url)
            await other.execute("BEGIN")
            if seen.setdefault(await other.fetchval(_SESSION), other) is not other:
                return True
        except TimeoutError:
            return False  # the sessions are exhausted, and none was shared
        try:
            if await first.fetchval(_SESSION) != own:
                return True
        except TimeoutError:
            return True  # it waits for a session that the others keep busy
    return await _mixes(seen)


async def _mixes(seen: dict[int, asyncpg.Connection]) -> bool:
    """Return true if sessions, once returned, meet other connections than before."""
    for connection in list(seen.values()):
        await connection.execute("COMMIT")
        for each in seen.values():
            if each.is_in_transaction():
                continue
            if seen.get(await each.fetchval(_SESSION)) is not each:
                return True
    return False


async def _open(stack: AsyncExitStack, database_url: str) -> asyncpg.Connection:
    connection = await asyncpg.connect(
        database_url, timeout=CONNECT_SECONDS, command_timeout=LOOK_SECONDS, statement_cache_size=0
    )
    stack.push_async_callback(_close, connection)
    return connection


async def _close(connection: asyncpg.Connection) -> None:
    try:
        async with asyncio.timeout(LOOK_SECONDS):
            await connection.close()
    except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError):
        connection.terminate()
