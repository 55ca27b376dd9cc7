"""The floor: plain asyncpg loops that do the same writes as ours with the same batch, and decide nothing.

What they write is known beforehand (`Known`), so no merging, no computing and no looking up is paid for.
"""

from collections.abc import Iterable, Sequence
from typing import Any

import asyncpg
from msgspec import Struct

from app.ingest.drain import BATCH
from app.ingest.inbox import SHARDS
from app.readmodels import invoices, orders

Key = tuple[str, str]
TABLES = {"orders": orders.TABLE, "invoices": invoices.TABLE}
ITEM_OF = {"orders": "order_id", "invoices": "invoice_id"}

CLAIM = """
SELECT id, source, event_id, object, record_id, kind, version, occurred_at, owner_id, parent_id, read_at, data
FROM ingest.inbox WHERE lane = 'apply' AND shard = $1 AND settled_at IS NULL ORDER BY id LIMIT $2
"""
STORE = """
INSERT INTO mirror.records (source, object, record_id, parent_id, owner_id, data, version, content_hash, deleted,
                            occurred_at, verified_at)
SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::jsonb[], $7::bigint[], $8::bytea[],
                     $9::bool[], $10::timestamptz[], $11::timestamptz[])
ON CONFLICT (source, object, record_id) DO UPDATE SET
    parent_id = excluded.parent_id, owner_id = excluded.owner_id, data = excluded.data, version = excluded.version,
    content_hash = excluded.content_hash, deleted = excluded.deleted, occurred_at = excluded.occurred_at,
    verified_at = excluded.verified_at
"""
MARK = "UPDATE ingest.inbox SET settled_at = clock_timestamp(), outcome = 'applied' WHERE id = ANY($1::bigint[])"


class Known(Struct):
    """Every row as it stands in the end: mirrored records by (object, id), read-model rows by (slice, id)."""

    records: dict[Key, tuple[Any, ...]]
    rows: dict[Key, asyncpg.Record]


async def connect(database_url: str) -> Any:
    """A connection without codecs: JSON goes through as text."""
    return await asyncpg.connect(database_url)


async def learn(connection: Any) -> Known:
    """Take what a run of ours has left."""
    records = await connection.fetch(
        "SELECT source, object, record_id, parent_id, owner_id, data, version, content_hash, deleted, occurred_at, "
        "verified_at FROM mirror.records"
    )
    known = Known({(row["object"], row["record_id"]): tuple(row) for row in records}, {})
    for name, item in ITEM_OF.items():
        found = await connection.fetch(f"SELECT * FROM read_model.{name}")
        known.rows |= {(name, row[item]): row for row in found}
    return known


async def project(connection: Any, known: Known) -> int:
    """Claim, mirror, project and mark everything, one shard after the other; returns how many entries."""
    upserts = {name: TABLES[name].upsert_sql(1) for name in TABLES}
    settled = 0
    for shard in range(SHARDS):
        while entries := await connection.fetch(CLAIM, shard, BATCH):
            async with connection.transaction():
                records = {(row["object"], row["record_id"]) for row in entries}
                await connection.execute(STORE, *_columns([known.records[key] for key in sorted(records)]))
                items = {_item(row) for row in entries}
                for name, table in TABLES.items():
                    rows = [known.rows[key] for key in sorted(items) if key[0] == name]
                    if rows:
                        await connection.execute(upserts[name], *table.arrays(rows))
                await connection.execute(MARK, [row["id"] for row in entries])
            settled += len(entries)
    return settled


def _item(row: Any) -> Key:
    if row["object"] == "OrderItem":
        return "orders", row["parent_id"]
    return "orders" if row["object"] == "Order" else "invoices", row["record_id"]


def _columns(rows: Iterable[Sequence[Any]]) -> list[list[Any]]:
    return [list(column) for column in zip(*rows, strict=True)]
