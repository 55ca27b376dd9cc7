"""The same start for every round: empty tables, linked accounts, events in the inbox, a quiet disk."""

from collections.abc import Sequence
from typing import Any

import asyncpg

from app.events import Change
from app.ingest import inbox
from benchmarks import events

LOAD_BATCH = 1_000


async def empty(pool: asyncpg.Pool) -> None:
    """Nothing in any table but the list of generations."""
    tables = await pool.fetch(
        "SELECT schemaname || '.' || tablename AS name FROM pg_tables "
        "WHERE schemaname IN ('portal', 'ingest', 'mirror', 'read_model', 'generations') AND tablename <> 'generations'"
    )
    await pool.execute(f"TRUNCATE {', '.join(row['name'] for row in tables)} RESTART IDENTITY CASCADE")


async def link(pool: asyncpg.Pool, accounts: int) -> None:
    """Customers with both upstream ids."""
    numbers = range(accounts)
    await pool.execute(
        "INSERT INTO portal.users (id, email, password_hash) SELECT u, u || '@example.jp', '' FROM unnest($1::uuid[]) u",
        [events.account_id(number) for number in numbers],
    )
    await pool.execute(
        "INSERT INTO portal.id_mappings (account_id, user_id, whmcs_client_id, salesforce_account_id, customer_number) "
        "SELECT a, a, w, s, s FROM unnest($1::uuid[], $2::text[], $3::text[]) AS m (a, w, s)",
        [events.account_id(number) for number in numbers],
        [events.whmcs_client_id(number) for number in numbers],
        [events.salesforce_account_id(number) for number in numbers],
    )


async def load(pool: asyncpg.Pool, changes: Sequence[Change]) -> None:
    """Put events into the inbox; not part of what is timed."""
    for start in range(0, len(changes), LOAD_BATCH):
        async with pool.acquire() as connection, connection.transaction():
            await inbox.append(connection, changes[start : start + LOAD_BATCH])


async def settle_disk(pool: asyncpg.Pool) -> None:
    """Statistics are fresh, and nobody pays for the dirty pages of the round before."""
    await pool.execute("VACUUM ANALYZE ingest.inbox")
    await pool.execute("VACUUM ANALYZE portal.id_mappings")
    await pool.execute("CHECKPOINT")


async def open_entries(pool: Any) -> int:
    """Entries that nobody has settled."""
    return int(await pool.fetchval("SELECT count(*) FROM ingest.inbox WHERE settled_at IS NULL"))
