"""Ready documents: written by projections, read by queries. The only place that spells a Redis key."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg
from msgspec import Struct

_SELECT = """
SELECT d.account_id, d.name, (g.epoch::bigint << 32) + d.version AS version, d.etag, d.body, d.as_of{more}
FROM read_model.documents d JOIN read_model.generations g USING (slice, generation){joined}
WHERE g.state = 'serving' AND d.account_id = $1 AND d.name = $2 AND d.body <> ''
"""

_ALONE = _SELECT.format(more="", joined="")
_STANDING = _SELECT.format(
    more=""", e.as_of AS feed_as_of, e.silent_since, m.whmcs_client_id, m.salesforce_account_id,
       EXISTS (SELECT FROM read_model.upstreams u WHERE u.upstream = $3 AND u.state <> 'closed') AS away,
       (SELECT min(p.parked_at) FROM read_model.parked p WHERE p.account_id = $1 AND p.source = $3) AS parked_at""",
    joined="""
LEFT JOIN read_model.feeds e ON e.feed = $4 LEFT JOIN portal.id_mappings m ON m.account_id = d.account_id""",
)


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
    row = await pool.fetchrow(_ALONE, account_id, name)
    return Stored(**dict(row)) if row else None


async def read_standing(
    pool: asyncpg.Pool, account_id: UUID, name: str, *, upstream: str, feed: str
) -> Mapping[str, Any] | None:
    """The same with all that its age depends on: the feed's `feed_as_of` and `silent_since`, whether the `upstream` is
    `away`, since when a change of the account is parked (`parked_at`), and whose it is there."""
    return await pool.fetchrow(_STANDING, account_id, name, upstream, feed)  # type: ignore[no-any-return]
