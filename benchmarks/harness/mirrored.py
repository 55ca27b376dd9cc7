"""Mirrored records in bulk, as if backfilled long ago: written by SQL, with the read-model rows they became."""

import asyncpg
import msgspec

from benchmarks.harness import setup

FIRST_INVOICE = 100_000_000
"""Ids of bulk invoices begin here, above those of the streams of events."""

_INVOICES = """
INSERT INTO mirror.records (source, object, record_id, owner_id, data, version, occurred_at, verified_at)
SELECT 'whmcs', 'invoice', ($1::bigint + n)::text, (1000 + n % $2 + 1)::text, $3::jsonb, 1,
       '2026-10-01', '2026-10-01'
FROM generate_series(0, $4::bigint - 1) AS n
"""
INVOICES_OF_THESE = """
INSERT INTO mirror.records (source, object, record_id, owner_id, data, version, occurred_at, verified_at)
SELECT 'whmcs', 'invoice', ($1::bigint + n)::text, ($2::text[])[1 + n % cardinality($2)], $3::jsonb, 1,
       '2026-10-01', '2026-10-01'
FROM generate_series(0, $4::bigint - 1) AS n
"""
_ORDERS = """
INSERT INTO mirror.records (source, object, record_id, owner_id, data, version, occurred_at, verified_at)
SELECT 'salesforce', 'Order', '801B' || lpad(n::text, 9, '0'), '001' || lpad((n % $1 + 1)::text, 5, '0'), $2::jsonb, 1,
       '2026-10-01', '2026-10-01'
FROM generate_series(0, $3::bigint - 1) AS n
"""
_INVOICE_ROWS = """
INSERT INTO generations.invoices_1 (account_id, invoice_id, status, upstream_status, subtotal, tax, credit, total,
                                    balance, currency, sort_id, version, as_of, summary, document)
SELECT m.account_id, r.record_id, 'unpaid', 'Unpaid', 3680, 368, 0, 4048, 4048, 'JPY', r.record_id::bigint, 1,
       r.verified_at, $1, $2
FROM mirror.records r JOIN portal.id_mappings m ON m.whmcs_client_id = r.owner_id
WHERE (r.source, r.object) = ('whmcs', 'invoice')
"""
_ORDER_ROWS = """
INSERT INTO generations.orders_1 (account_id, order_id, review_status, status, currency, item_count, changed_at,
                                  version, as_of, summary, document)
SELECT m.account_id, r.record_id, 'Pending Review', 'in_review', 'JPY', 0, r.occurred_at, 1, r.verified_at, $1, $2
FROM mirror.records r JOIN portal.id_mappings m ON m.salesforce_account_id = r.owner_id
WHERE (r.source, r.object) = ('salesforce', 'Order')
"""
SUMMARY, DOCUMENT = b"s" * 330, b"d" * 900
BULK_SECONDS = 600


async def fill(pool: asyncpg.Pool, records: int, accounts: int) -> None:
    """Half invoices, half orders, spread evenly over linked accounts 1 … `accounts`; statistics are fresh after it."""
    half = records // 2
    order, invoice = (msgspec.to_builtins(each) for each in (setup.ORDER, setup.INVOICE))
    await pool.execute(_INVOICES, FIRST_INVOICE, accounts, invoice, half, timeout=BULK_SECONDS)
    await pool.execute(_ORDERS, accounts, order, half, timeout=BULK_SECONDS)
    await pool.execute(_INVOICE_ROWS, SUMMARY, DOCUMENT, timeout=BULK_SECONDS)
    await pool.execute(_ORDER_ROWS, SUMMARY, DOCUMENT, timeout=BULK_SECONDS)
    for table in ("mirror.records", "generations.invoices_1", "generations.orders_1", "portal.id_mappings"):
        await pool.execute(f"VACUUM ANALYZE {table}", timeout=BULK_SECONDS)
    await pool.execute("CHECKPOINT", timeout=BULK_SECONDS)
