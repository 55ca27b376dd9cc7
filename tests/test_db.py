"""Failures of Postgres that are temporary, and connections whose ends both notice when the other is gone."""

import asyncio
import socket
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import asyncpg
import msgspec
import pytest
from asyncpg.exceptions import PostgresError

from app.db import connect, is_outage, open_pool, row, rows

OUTAGES = (
    *(
        "08000",
        "08003",
        "08006",
        "08001",
        "08004",
        "08007",
        "08P01",
        "25006",
        "25P03",
        "25P04",
        "28000",
        "28P01",
        "3D000",
    ),
    *(
        "40000",
        "40001",
        "40P01",
        "40003",
        "42501",
        "53000",
        "53100",
        "53200",
        "53300",
        "53400",
        "55006",
        "55P03",
        "57000",
    ),
    *("57014", "57P01", "57P02", "57P03", "57P04", "57P05", "58000", "58030"),
)
FAULTS_OF_THE_DATA = (
    *("21000", "22001", "22003", "22007", "22008", "22012", "22021", "22023", "22P02", "22P05", "23502", "23503"),
    *("23505", "23514", "25P02", "42601", "42703", "42804", "42P01", "P0001"),
)


def failed(state: str) -> PostgresError:
    error: PostgresError = PostgresError.new({"C": state, "M": "said so", "S": "ERROR"})
    return error


@pytest.mark.parametrize("state", OUTAGES)
def test_the_database_is_the_trouble(state: str) -> None:
    assert is_outage(failed(state))


@pytest.mark.parametrize("state", FAULTS_OF_THE_DATA)
def test_the_data_is_the_trouble(state: str) -> None:
    assert not is_outage(failed(state))


@pytest.mark.parametrize("error", [TimeoutError(), ConnectionResetError(), asyncpg.InterfaceError("closed")])
def test_connections_and_time_are_the_trouble(error: Exception) -> None:
    assert is_outage(error)


def test_a_value_that_cannot_be_encoded_is_the_data_s_fault() -> None:
    assert not is_outage(asyncpg.DataError("no number"))
    assert not is_outage(ValueError("no number"))


@pytest.mark.parametrize("only_reads", [False, True])
async def test_every_connection_of_a_pool_is_bounded_and_kept_alive(engines: tuple[str, str], only_reads: bool) -> None:
    pool = await open_pool(engines[0], size=1, only_reads=only_reads)
    try:
        for _ in range(2):  # and so it is when the pool has had it back
            async with pool.acquire() as connection:
                await assert_kept_alive(connection)
                assert await connection.fetchval("SHOW lock_timeout") == ("5s" if only_reads else "20s")
                assert await connection.fetchval("SHOW idle_in_transaction_session_timeout") != "0"
    finally:
        await pool.close()


async def test_a_connection_outside_any_pool_is_kept_alive(engines: tuple[str, str]) -> None:
    connection = await connect(engines[0], idle_session_timeout="1s")
    await assert_kept_alive(connection)
    await asyncio.sleep(2.5)
    with pytest.raises((asyncpg.PostgresError, asyncpg.InterfaceError)):
        await connection.fetchval("SELECT 1")


async def assert_kept_alive(connection: asyncpg.Connection) -> None:
    assert await connection.fetchval("SHOW tcp_keepalives_idle") == "5"
    assert await connection.fetchval("SHOW tcp_user_timeout") == "15000"
    ours = connection._transport.get_extra_info("socket")
    assert ours.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
    assert ours.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 15_000
    assert ours.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) == 5


async def test_a_database_that_only_reads_is_an_outage(pool: asyncpg.Pool) -> None:
    async with pool.acquire() as connection:
        await connection.execute("SET default_transaction_read_only = on")
        with pytest.raises(asyncpg.ReadOnlySQLTransactionError) as refused:
            await connection.execute("INSERT INTO ingest.progress (operation) VALUES ('x')")
    assert is_outage(refused.value)


class Fetched(msgspec.Struct, frozen=True):
    number: int
    account_id: UUID
    amount: Decimal
    at: datetime
    body: bytes
    data: dict[str, Any]
    note: str | None = None


_FETCHED = """
SELECT n AS number, '5e0f9c1e-6d1b-4f0c-9a41-2c8a4d1f7b66'::uuid AS account_id, 1.50::numeric AS amount,
       'epoch'::timestamptz AS at, 'x'::bytea AS body, '{"a": [1]}'::jsonb AS data, NULL::text AS note
FROM generate_series(1, $1::int) AS n
"""


async def test_rows_become_structs_of_the_columns_types(pool: asyncpg.Pool) -> None:
    first, second = await rows(pool, Fetched, _FETCHED, 2)
    account_id, at = UUID("5e0f9c1e-6d1b-4f0c-9a41-2c8a4d1f7b66"), datetime(1970, 1, 1, tzinfo=UTC)
    assert first == Fetched(1, account_id, Decimal("1.50"), at, b"x", {"a": [1]})
    assert second.number == 2
    assert await row(pool, Fetched, _FETCHED, 1) == first
    assert await row(pool, Fetched, _FETCHED, 0) is None


@pytest.mark.parametrize(
    "query",
    ["SELECT '1' AS count, 0.0::float8 AS oldest", "SELECT 1 AS count", "SELECT NULL::int AS count, 0.0 AS oldest"],
)
async def test_a_row_of_another_shape_is_refused(pool: asyncpg.Pool, query: str) -> None:
    class Backlog(msgspec.Struct):
        count: int
        oldest: float

    with pytest.raises(msgspec.ValidationError):
        await row(pool, Backlog, query)
