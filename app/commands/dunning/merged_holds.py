"""Holds of an account whose client was merged into that of another account: the remaining account gets them too.

A hold of one invoice needs nothing: it covers the invoice, whoever has it.

Reads: ingest.client_merges, portal.id_mappings. Reads and writes: portal.dunning_holds.
"""

from app.db import Db

_FOLLOW = """
INSERT INTO portal.dunning_holds (account_id, reason, until, placed_by, placed_at)
SELECT remaining.account_id::text, h.reason, h.until, h.placed_by, h.placed_at
FROM ingest.client_merges m
JOIN portal.id_mappings former ON former.whmcs_client_id = m.former_client_id
JOIN portal.dunning_holds h ON h.account_id = former.account_id::text
JOIN portal.id_mappings remaining ON remaining.whmcs_client_id = m.into_client_id
WHERE h.lifted_at IS NULL AND h.whmcs_invoice_id IS NULL AND NOT EXISTS (
    SELECT FROM portal.dunning_holds k
    WHERE k.account_id = remaining.account_id::text AND k.whmcs_invoice_id IS NULL
      AND (k.placed_at, k.placed_by) = (h.placed_at, h.placed_by))
"""


async def follow_merges(db: Db) -> None:
    """Place the holds of merged clients on the accounts of those that remain. Safe to repeat, also after they were
    lifted."""
    await db.execute(_FOLLOW)
