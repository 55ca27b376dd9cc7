"""Items that commands created upstream, shown under their final id until an event or a refetch confirms them.

Writes: read_model.pending.
"""

from collections.abc import Sequence
from uuid import UUID

from msgspec import Struct

from app.db import Db

_PEND = """
INSERT INTO read_model.pending (account_id, slice, item_id, submission, summary, document)
VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING
"""
_CONFIRM = """
DELETE FROM read_model.pending p WHERE submission = ANY($1::bigint[])
AND NOT EXISTS (SELECT FROM ingest.inbox i WHERE i.submission = p.submission AND i.settled_at IS NULL)
"""


class Pending(Struct, frozen=True, kw_only=True):
    """An item created upstream. `summary` and `document` are complete JSON objects, as the read model's list and detail
    show them."""

    account_id: UUID
    slice: str
    item_id: str
    summary: bytes
    document: bytes


async def pend(connection: Db, pending: Sequence[Pending], submission: int) -> None:
    """Show these items until everything submitted under the number is settled."""
    rows = [(p.account_id, p.slice, p.item_id, submission, p.summary, p.document) for p in pending]
    await connection.executemany(_PEND, rows)


async def confirm(connection: Db, submissions: Sequence[int]) -> None:
    """Remove the items of submissions that are settled completely."""
    await connection.execute(_CONFIRM, submissions)


async def forget_pending(connection: Db) -> None:
    """Remove items of settled submissions that remained: two workers may each have left the last entry to the other."""
    await connection.execute(
        "DELETE FROM read_model.pending p WHERE created_at < clock_timestamp() - interval '10 seconds' AND NOT EXISTS "
        "(SELECT FROM ingest.inbox i WHERE i.submission = p.submission AND i.settled_at IS NULL)"
    )
