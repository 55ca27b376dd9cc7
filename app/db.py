"""The Postgres pool and its codecs. JSON columns read and write Python values."""

from typing import Any

import asyncpg
import msgspec


def _encode(value: Any) -> str:
    return msgspec.json.encode(value).decode()


async def _prepare(connection: asyncpg.Connection) -> None:
    for name in ("json", "jsonb"):
        await connection.set_type_codec(name, encoder=_encode, decoder=msgspec.json.decode, schema="pg_catalog")


async def open_pool(database_url: str, *, size: int = 10) -> asyncpg.Pool:
    """Connect; every statement is bounded to 30 s so that nothing waits for ever."""
    return await asyncpg.create_pool(
        database_url,
        min_size=1,
        max_size=size,
        init=_prepare,
        command_timeout=30,
        server_settings={"application_name": "portal"},
    )
