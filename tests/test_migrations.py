"""Migrations: up from zero, back to nothing, and up again."""

import asyncpg

from app.cli import migrate

SCHEMAS = {"portal", "ingest", "mirror", "read_model", "generations"}


async def schemas(url: str) -> set[str]:
    connection = await asyncpg.connect(url)
    try:
        rows = await connection.fetch(
            "SELECT nspname FROM pg_namespace WHERE nspname = ANY($1::text[])", sorted(SCHEMAS)
        )
        return {row["nspname"] for row in rows}
    finally:
        await connection.close()


async def test_migrations_go_up_from_zero_and_back(engines: tuple[str, str]) -> None:
    import asyncio

    connection = await asyncpg.connect(engines[0])
    await connection.execute("DROP DATABASE IF EXISTS migrations_test")
    await connection.execute("CREATE DATABASE migrations_test")
    await connection.close()
    url = engines[0].rsplit("/", 1)[0] + "/migrations_test"
    for _ in range(2):
        await asyncio.to_thread(migrate.up, url)
        assert await schemas(url) == SCHEMAS
        await asyncio.to_thread(migrate.down, url)
        assert await schemas(url) == set()


async def test_every_table_and_schema_has_a_comment_for_analysts(engines: tuple[str, str]) -> None:
    connection = await asyncpg.connect(engines[0])
    silent = await connection.fetch(
        "SELECT c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace "
        "WHERE n.nspname = 'read_model' AND c.relkind IN ('r', 'v') AND obj_description(c.oid) IS NULL"
    )
    await connection.close()
    assert [row["relname"] for row in silent] == []
