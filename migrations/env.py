"""Alembic's entry point: migrations run over asyncpg, all of one upgrade in one transaction."""

import asyncio
from typing import Any

from alembic import context
from sqlalchemy import Connection

config: Any = context.config


def migrate(connection: Connection) -> None:
    """Run what the command asked for."""
    context.configure(
        connection=connection,
        version_table=config.version_table_name,
        version_table_schema=config.version_table_schema,
        version_table_pk=config.version_table_pk,
    )
    with context.begin_transaction():
        context.run_migrations()


async def online() -> None:
    """Connect, migrate, leave."""
    async with config.engine.connect() as connection:
        await connection.run_sync(migrate)
        await connection.commit()
    await config.engine.dispose()


asyncio.run(online())
