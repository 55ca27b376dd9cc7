"""Ready documents: written by projections, read by queries. The only place that spells a Redis key."""

from datetime import datetime
from uuid import UUID

import asyncpg
from msgspec import Struct

_SELECT = """
SELECT d.account_id, d.name, (g.epoch::bigint << 32) + d.version AS version, d.etag, d.body, d.as_of
FROM read_model.documents d JOIN read_model.generations g USING (slice, generation)
WHERE g.state = 'serving' AND d.account_id = $1 AND d.name = $2 AND d.body <> ''
"""


class Stored(Struct, frozen=True):
    """A document as it is kept. `version` grows with every change of the account and, above that, with every change of
    the serving generation."""

    account_id: UUID
    name: str
    version: int
    etag: str
    body: bytes
    as_of: datetime


def key(account_id: UUID | str, name: str) -> str:
    """Keys carry the account as a hash tag, so that they spread over a Redis Cluster and stay together."""
    return f"portal:{{{account_id}}}:{name}"


def page_key(account_id: str, code: str, name: str) -> bytes:
    """Where a copy of an answer lies that this code has drawn."""
    return key(account_id, f"page:{code}:{name}").encode()


def event_channel(account_id: UUID) -> str:
    """Where subscribers of an account hear what changed."""
    return key(account_id, "events")


async def read(pool: asyncpg.Pool, account_id: UUID, name: str) -> Stored | None:
    """The document, unless it is gone or was never there."""
    row = await pool.fetchrow(_SELECT, account_id, name)
    return Stored(**dict(row)) if row else None
