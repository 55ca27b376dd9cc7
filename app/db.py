"""The Postgres pool, its codecs and its types. JSON columns read and write Python values.

Functions that run statements take a `Db`, or a `Connection` where they begin a transaction. `rows` and `row` convert
what they fetch to a Struct and check it; `app.ingest` and `app.projections` build mirrored records unchecked, by
`Record(**row)`, because that is their hot path.
"""

import asyncio
import socket
from collections.abc import Iterable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, Protocol, TypeVar

import asyncpg
import msgspec

StructT = TypeVar("StructT", bound=msgspec.Struct)


class Db(Protocol):
    """A pool or a connection: anything that runs one statement."""

    async def execute(self, query: str, *args: object, timeout: float | None = None) -> str:  # noqa: ASYNC109
        """Run a statement; return its command tag, such as `UPDATE 3`."""

    async def executemany(
        self,
        command: str,
        args: Iterable[Sequence[object]],
        *,
        timeout: float | None = None,  # noqa: ASYNC109
    ) -> None:
        """Run a statement once per tuple of values."""

    async def fetch(self, query: str, *args: object, timeout: float | None = None) -> list[asyncpg.Record]:  # noqa: ASYNC109
        """Return all rows."""

    async def fetchrow(self, query: str, *args: object, timeout: float | None = None) -> asyncpg.Record | None:  # noqa: ASYNC109
        """Return the first row; None when there is none."""

    async def fetchval(self, query: str, *args: object, timeout: float | None = None) -> Any:  # noqa: ASYNC109
        """Return the first value of the first row; None when there is none."""


class Connection(Db, Protocol):
    """One connection, on which a transaction can begin."""

    def transaction(self) -> AbstractAsyncContextManager[Any]:
        """Begin a transaction, or a savepoint within one."""


async def rows(
    db: Db,
    kind: type[StructT],
    query: str,
    *values: object,
    timeout: float | None = None,  # noqa: ASYNC109
) -> list[StructT]:
    """Fetch rows as Structs, by the names of their columns.

    Raises:
        msgspec.ValidationError: a column is missing or of another type than the Struct says.
    """
    return [as_struct(kind, each) for each in await db.fetch(query, *values, timeout=timeout)]


async def row(
    db: Db,
    kind: type[StructT],
    query: str,
    *values: object,
    timeout: float | None = None,  # noqa: ASYNC109
) -> StructT | None:
    """Fetch the first row as a Struct; None when there is none. Raises as `rows` does."""
    found = await db.fetchrow(query, *values, timeout=timeout)
    return None if found is None else as_struct(kind, found)


async def only_row(db: Db, query: str, *values: object) -> asyncpg.Record:
    """Fetch the row of a statement that always returns one.

    Raises:
        LookupError: it returned none.
    """
    found = await db.fetchrow(query, *values)
    if found is None:
        raise LookupError("a statement that always returns a row returned none")
    return found


def as_struct(kind: type[StructT], found: asyncpg.Record) -> StructT:
    """Convert a fetched row to a Struct and check it."""
    return msgspec.convert(dict(found), kind)


JSONB_VERSION = b"\x01"
"""The first byte of a jsonb value on the wire."""


def _encode(value: Any) -> bytes:
    return JSONB_VERSION + msgspec.json.encode(value)


def _decode(value: bytes) -> Any:
    return msgspec.json.decode(value[1:])


async def _prepare(connection: asyncpg.Connection) -> None:
    _keep_alive(connection)
    await connection.set_type_codec("jsonb", encoder=_encode, decoder=_decode, schema="pg_catalog", format="binary")


async def _as_it_is(connection: asyncpg.Connection) -> None:
    """Skip the session reset."""


ACQUIRE_SECONDS = 5.0
"""Longest wait for a free connection."""
MOST_WAITING = 1_024
"""Most waiters of one pool; more could not be served in time."""
RELEASE_SECONDS = 2.0
"""Time for a connection to end a cancelled statement, before it is discarded."""
CLOSE_SECONDS = 10.0
CONNECT_SECONDS = 10.0
STATEMENT_SECONDS = 30.0
READ_STATEMENT_SECONDS = 5.0
DEAD_PEER_SECONDS = 15
"""A peer that acknowledges nothing for this time is gone: its host vanished, or the network drops our packets."""
_KEEPALIVE = {"tcp_keepalives_idle": "5", "tcp_keepalives_interval": "5", "tcp_keepalives_count": "2"}
_CLIENT_KEEPALIVE = {"TCP_KEEPIDLE": 5, "TCP_KEEPINTVL": 5, "TCP_KEEPCNT": 2}
_WAITS = {"idle_in_transaction_session_timeout": "60s", "lock_timeout": "20s"}
_SHORT_WAITS = {"idle_in_transaction_session_timeout": "30s", "lock_timeout": "5s"}
"""Reads hold no locks that others wait for, and must not wait long for locks themselves."""


class PoolExhausted(asyncpg.InterfaceError):  # type: ignore[misc, unused-ignore]
    """Too many callers wait for a connection."""


class BoundedPool(asyncpg.Pool):  # type: ignore[misc, unused-ignore]
    """A pool with bounded waits, both for a connection and for a server that stopped answering."""

    _waiting = 0

    async def _acquire(self, timeout: float | None) -> Any:  # noqa: ASYNC109
        if self._waiting >= MOST_WAITING:
            raise PoolExhausted("too many callers wait for a connection")
        self._waiting += 1
        try:
            async with asyncio.timeout(timeout or ACQUIRE_SECONDS):
                connection = await super()._acquire(None)  # type: ignore[misc, unused-ignore]  # not in the stubs
        finally:
            self._waiting -= 1
        connection._holder._timeout = RELEASE_SECONDS
        return connection

    async def close(self) -> None:
        """Close the pool; terminate connections that do not finish in time."""
        try:
            async with asyncio.timeout(CLOSE_SECONDS):
                await super().close()
        except TimeoutError:
            self.terminate()


async def open_pool(
    database_url: str, *, size: int = 10, only_reads: bool = False, statement_seconds: float = STATEMENT_SECONDS
) -> asyncpg.Pool:
    """Open a pool in which statements, waits for connections and locks, and idle transactions are bounded.

    `only_reads`: skip the session reset on release (it costs as much as a read) and force generic plans (re-planning
    costs four times as much).
    """
    more = {"plan_cache_mode": "force_generic_plan", **_SHORT_WAITS} if only_reads else _WAITS
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
        server_settings=server_settings("portal", **more),
    )


async def connect(database_url: str, name: str = "portal", **more: str) -> asyncpg.Connection:
    """Open a connection outside any pool. Both ends notice when the other is gone. `more`: further server settings."""
    connection = await asyncpg.connect(
        database_url, timeout=10, command_timeout=10, server_settings=server_settings(name, **more)
    )
    _keep_alive(connection)
    return connection


def server_settings(name: str, **more: str) -> dict[str, str]:
    """Return the server settings of a session, by which Postgres notices that its client is gone."""
    return {
        "application_name": name,
        **_KEEPALIVE,
        "tcp_user_timeout": str(DEAD_PEER_SECONDS * 1000),
        **more,
    }


def _keep_alive(connection: Any) -> None:
    """Set TCP keepalive on our end. The library has no setting for it, and not every system has every option."""
    transport = getattr(connection, "_transport", None)
    found = transport.get_extra_info("socket") if transport is not None else None
    if found is None or found.family not in (socket.AF_INET, socket.AF_INET6):
        return
    found.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, value in {**_CLIENT_KEEPALIVE, "TCP_USER_TIMEOUT": DEAD_PEER_SECONDS * 1000}.items():
        if number := getattr(socket, option, None):
            found.setsockopt(socket.IPPROTO_TCP, number, value)


OUTAGES = (
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,  # the connection broke in the middle of an operation
    asyncpg.InvalidCachedStatementError,  # a migration came in between; the next attempt plans again
    OSError,  # refused, reset, timed out: TimeoutError is one
)
"""Errors of asyncpg that mean an outage of the database, not a fault of the data."""
OUTAGE_CLASSES = frozenset(
    {
        "08",  # the connection
        "28",  # our password or role is refused
        "3D",  # the database is not there, or not there yet
        "40",  # rolled back: deadlock, serialization
        "53",  # too many connections, out of memory or disk
        "57",  # shut down, starting up, cancelled, dropped
        "58",  # the server's own files or system
    }
)
"""Classes of SQLSTATE: the first two characters."""
OUTAGE_STATES = frozenset(
    {
        "25006",  # read only: a failover, or a disk that is full
        "25P03",  # the transaction was idle for too long
        "25P04",  # the transaction took too long
        "42501",  # we lack a privilege
        "55006",  # in use
        "55P03",  # a lock was not available in time
    }
)


def is_outage(error: BaseException) -> bool:
    """Return whether the same statement may succeed later. A value that cannot be encoded raises an `InterfaceError`
    that is a `ValueError` too: that is a fault of the data."""
    if isinstance(error, asyncpg.PostgresError):
        state = error.sqlstate or ""
        if state in OUTAGE_STATES or state[:2] in OUTAGE_CLASSES:
            return True
    return isinstance(error, OUTAGES) and not isinstance(error, ValueError)


def is_database_outage(error: BaseException) -> bool:
    """Return the same for work that also uses other resources, such as files."""
    kinds = (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, TimeoutError, ConnectionError)
    return isinstance(error, kinds) and is_outage(error)
