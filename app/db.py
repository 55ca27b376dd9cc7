"""The Postgres pool and its codecs. JSON columns read and write Python values."""

import asyncio
from typing import Any

import asyncpg
import msgspec

JSONB_VERSION = b"\x01"
"""The first byte of a jsonb value on the wire."""


def _encode(value: Any) -> bytes:
    return JSONB_VERSION + msgspec.json.encode(value)


def _decode(value: bytes) -> Any:
    return msgspec.json.decode(value[1:])


async def _prepare(connection: asyncpg.Connection) -> None:
    await connection.set_type_codec("jsonb", encoder=_encode, decoder=_decode, schema="pg_catalog", format="binary")


async def _as_it_is(connection: asyncpg.Connection) -> None:
    """Leave a connection alone."""


ACQUIRE_SECONDS = 5.0
"""How long a free connection is waited for."""
MOST_WAITING = 1_024
"""Waiters of one pool; more could not be served in time anyway."""
RELEASE_SECONDS = 2.0
"""How long a connection may take to end what was cancelled on it, before it is thrown away."""
CLOSE_SECONDS = 10.0
CONNECT_SECONDS = 10.0
STATEMENT_SECONDS = 30.0
READ_STATEMENT_SECONDS = 5.0


class PoolExhausted(asyncpg.InterfaceError):  # type: ignore[misc]
    """More want a connection than can get one in time."""


class BoundedPool(asyncpg.Pool):  # type: ignore[misc]
    """A pool in which nobody waits without end, neither for a connection nor for a server that stopped answering."""

    _waiting = 0

    async def _acquire(self, timeout: float | None) -> Any:  # noqa: ASYNC109
        if self._waiting >= MOST_WAITING:
            raise PoolExhausted("too many wait for a connection")
        self._waiting += 1
        try:
            async with asyncio.timeout(timeout or ACQUIRE_SECONDS):
                connection = await super()._acquire(None)
        finally:
            self._waiting -= 1
        connection._holder._timeout = RELEASE_SECONDS
        return connection

    async def close(self) -> None:
        """Let connections end what they do, for a moment."""
        try:
            async with asyncio.timeout(CLOSE_SECONDS):
                await super().close()
        except TimeoutError:
            self.terminate()


async def open_pool(
    database_url: str, *, size: int = 10, only_reads: bool = False, statement_seconds: float = STATEMENT_SECONDS
) -> asyncpg.Pool:
    """Connect; every statement is bounded so that nothing waits for ever, and so is waiting for a connection.

    Who `only_reads` leaves nothing behind in a session, so that it need not be reset, which costs as much as a read;
    and asks the same over and over, of which Postgres would plan some anew each time, at four times the cost.
    """
    plans = {"plan_cache_mode": "force_generic_plan"} if only_reads else {}
    return await BoundedPool(
        database_url,
        min_size=1,
        max_size=size,
        max_queries=50_000,
        max_inactive_connection_lifetime=300.0,
        loop=None,
        connection_class=asyncpg.Connection,
        record_class=asyncpg.Record,
        init=_prepare,
        reset=_as_it_is if only_reads else None,
        timeout=CONNECT_SECONDS,
        command_timeout=min(statement_seconds, READ_STATEMENT_SECONDS) if only_reads else statement_seconds,
        server_settings={"application_name": "portal", **plans},
    )


OUTAGES = (
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,  # shut down, crashed, cancelled by an administrator
    asyncpg.InsufficientResourcesError,  # too many connections, out of locks, memory or disk
    asyncpg.TransactionRollbackError,  # deadlock, serialization
    asyncpg.LockNotAvailableError,
    asyncpg.ReadOnlySQLTransactionError,  # a standby that was not promoted yet, or a database set to read-only
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,  # the connection broke in the middle of an operation
    OSError,  # refused, reset, timed out
)
"""What asyncpg raises when the database, not the data, is the trouble."""


def is_outage(error: BaseException) -> bool:
    """Whether trying the same again later may work. A value that cannot be encoded is an `InterfaceError` too, but a
    `ValueError` besides, and the data's fault."""
    return isinstance(error, OUTAGES) and not isinstance(error, ValueError)
