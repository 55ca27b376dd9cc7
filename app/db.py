"""The Postgres pool and its codecs. JSON columns read and write Python values."""

import socket
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
    _keep_alive(connection)
    await connection.set_type_codec("jsonb", encoder=_encode, decoder=_decode, schema="pg_catalog", format="binary")


async def _as_it_is(connection: asyncpg.Connection) -> None:
    """Leave a connection alone."""


DEAD_PEER_SECONDS = 15
"""A peer that acknowledges nothing for so long is gone: its host vanished, or the network swallows what we send."""
_KEEPALIVE = {"tcp_keepalives_idle": "5", "tcp_keepalives_interval": "5", "tcp_keepalives_count": "2"}
_CLIENT_KEEPALIVE = {"TCP_KEEPIDLE": 5, "TCP_KEEPINTVL": 5, "TCP_KEEPCNT": 2}
_WAITS = {"idle_in_transaction_session_timeout": "60s", "lock_timeout": "20s"}
_SHORT_WAITS = {"idle_in_transaction_session_timeout": "30s", "lock_timeout": "5s"}
"""A read stands in nobody's way and must not wait long for those who stand in its own."""


async def open_pool(database_url: str, *, size: int = 10, only_reads: bool = False) -> asyncpg.Pool:
    """Connect; every statement is bounded to 30 s, every wait for a lock and every idle transaction besides.

    Who `only_reads` leaves nothing behind in a session, so that it need not be reset, which costs as much as a read;
    and asks the same over and over, of which Postgres would plan some anew each time, at four times the cost.
    """
    more = {"plan_cache_mode": "force_generic_plan", **_SHORT_WAITS} if only_reads else _WAITS
    return await asyncpg.create_pool(
        database_url,
        min_size=1,
        max_size=size,
        init=_prepare,
        reset=_as_it_is if only_reads else None,
        command_timeout=30,
        server_settings=server_settings("portal", **more),
    )


async def connect(database_url: str, name: str = "portal", **more: str) -> asyncpg.Connection:
    """One connection outside any pool, of which both ends notice when the other is gone. `more`: what Postgres is told
    of the session besides."""
    connection = await asyncpg.connect(
        database_url, timeout=10, command_timeout=10, server_settings=server_settings(name, **more)
    )
    _keep_alive(connection)
    return connection


def server_settings(name: str, **more: str) -> dict[str, str]:
    """What Postgres is told of a session: among others, to find out by itself that its client is gone."""
    return {
        "application_name": name,
        **_KEEPALIVE,
        "tcp_user_timeout": str(DEAD_PEER_SECONDS * 1000),
        **more,
    }


def _keep_alive(connection: Any) -> None:
    """The same on our end of the wire. The library has no setting for it, and some systems have not every option."""
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
    asyncpg.InvalidCachedStatementError,  # a migration came in between; the next try plans anew
    OSError,  # refused, reset, timed out: TimeoutError is one
)
"""What asyncpg raises when the database, not the data, is the trouble."""
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
        "25P03",  # the transaction stood idle for too long
        "25P04",  # the transaction took too long
        "42501",  # a right of ours is missing
        "55006",  # in use
        "55P03",  # a lock was not to be had in time
    }
)


def is_outage(error: BaseException) -> bool:
    """Whether trying the same again later may work. A value that cannot be encoded is an `InterfaceError` too, but a
    `ValueError` besides, and the data's fault."""
    if isinstance(error, asyncpg.PostgresError):
        state = error.sqlstate or ""
        if state in OUTAGE_STATES or state[:2] in OUTAGE_CLASSES:
            return True
    return isinstance(error, OUTAGES) and not isinstance(error, ValueError)
