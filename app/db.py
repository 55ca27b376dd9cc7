"""The Postgres pool and its codecs. JSON columns read and write Python values."""

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


async def open_pool(database_url: str, *, size: int = 10, only_reads: bool = False) -> asyncpg.Pool:
    """Connect; every statement is bounded to 30 s so that nothing waits for ever.

    Who `only_reads` leaves nothing behind in a session, so that it need not be reset, which costs as much as a read;
    and asks the same over and over, of which Postgres would plan some anew each time, at four times the cost.
    """
    plans = {"plan_cache_mode": "force_generic_plan"} if only_reads else {}
    return await asyncpg.create_pool(
        database_url,
        min_size=1,
        max_size=size,
        init=_prepare,
        reset=_as_it_is if only_reads else None,
        command_timeout=30,
        server_settings={"application_name": "portal", **plans},
    )


OUTAGES = (
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,  # shut down, crashed, cancelled by an administrator
    asyncpg.InsufficientResourcesError,  # too many connections, out of locks, memory or disk
    asyncpg.TransactionRollbackError,  # deadlock, serialization
    asyncpg.LockNotAvailableError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,  # the connection broke in the middle of an operation
    OSError,  # refused, reset, timed out
)
"""What asyncpg raises when the database, not the data, is the trouble."""


def is_outage(error: BaseException) -> bool:
    """Whether trying the same again later may work. A value that cannot be encoded is an `InterfaceError` too, but a
    `ValueError` besides, and the data's fault."""
    return isinstance(error, OUTAGES) and not isinstance(error, ValueError)
