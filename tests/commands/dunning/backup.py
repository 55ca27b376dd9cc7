"""A backup of the portal's database in tests: everything as it was is put back, and what came later is forgotten."""

from typing import Any, Self

import asyncpg

SCHEMAS = ("portal", "ingest", "mirror", "read_model", "generations")
_TABLES = """
SELECT t.schemaname AS schema, t.tablename AS name, string_agg(quote_ident(c.column_name), ', ') AS columns
FROM pg_tables t JOIN information_schema.columns c
  ON (c.table_schema, c.table_name) = (t.schemaname, t.tablename) AND c.is_generated = 'NEVER'
WHERE t.schemaname = ANY ($1::text[]) AND (t.schemaname, t.tablename) <> ('generations', 'generations')
GROUP BY 1, 2 ORDER BY 1, 2
"""


class Backup:
    """The whole database as it was at one instant."""

    def __init__(self, pool: asyncpg.Pool, tables: list[Any]) -> None:
        self._pool, self._tables = pool, tables

    @classmethod
    async def of(cls, pool: asyncpg.Pool) -> Self:
        """Back the database up."""
        tables = await pool.fetch(_TABLES, list(SCHEMAS))
        await pool.execute("DROP SCHEMA IF EXISTS backup CASCADE; CREATE SCHEMA backup")
        for number, each in enumerate(tables):
            await pool.execute(f"CREATE TABLE backup.t{number} AS TABLE {each['schema']}.{each['name']}")
        return cls(pool, tables)

    async def restore(self) -> None:
        """Put everything back."""
        async with self._pool.acquire() as connection, connection.transaction():
            await connection.execute("SET LOCAL session_replication_role = replica")  # no foreign keys, no triggers
            for number, each in enumerate(self._tables):
                table, columns = f"{each['schema']}.{each['name']}", each["columns"]
                await connection.execute(f"DELETE FROM {table}")
                await connection.execute(
                    f"INSERT INTO {table} ({columns}) OVERRIDING SYSTEM VALUE SELECT {columns} FROM backup.t{number}"
                )
        await self._pool.execute("DROP SCHEMA backup CASCADE")
