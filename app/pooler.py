"""Is a transaction pooler between us and Postgres?

Then every transaction may meet another session, and what a session holds is held by nobody in particular: advisory
locks, LISTEN, settings, prepared statements. It looks as if all worked until two workers do the same thing at once. So
whoever leans on sessions finds out before it begins.
"""

import asyncio
from contextlib import AsyncExitStack

import asyncpg

from app.errors import TransactionPooler

OTHERS = 4
"""Connections that each keep a session busy, so that a pooler has to hand out another."""
CONNECT_SECONDS = 10
LOOK_SECONDS = 5
_SESSION = "SELECT pg_backend_pid()"
_SHARED = (
    asyncpg.InvalidSQLStatementNameError,  # prepared in one session, run in another
    asyncpg.DuplicatePreparedStatementError,
    asyncpg.ProtocolViolationError,  # the pooler's own refusals, of parameters and of transactions
)


async def refuse_transaction_pooler(database_url: str) -> None:
    """Make sure that a connection is a session of its own.

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
    """Whether one connection meets several sessions, or several connections the same.

    A pooler lends the session that was given back last, or the one that was given back first. So one connection asks
    for its session again and again, while more and more others sit on theirs in the middle of a transaction.
    """
    first = await _open(stack, database_url)
    own = await first.fetchval(_SESSION, timeout=LOOK_SECONDS)
    for _ in range(OTHERS):
        other = await _open(stack, database_url)
        await other.execute("BEGIN", timeout=LOOK_SECONDS)
        if await other.fetchval(_SESSION, timeout=LOOK_SECONDS) == own:
            return True
        try:
            if await first.fetchval(_SESSION, timeout=LOOK_SECONDS) != own:
                return True
        except TimeoutError:
            return True  # it waits for a session that the others keep busy
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
