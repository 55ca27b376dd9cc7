"""Prepared documents: written by projections, read by queries. The only module that composes Redis keys."""

from datetime import datetime
from uuid import UUID

import asyncpg
from msgspec import Struct

from app.db import row

_SELECT = """
SELECT d.account_id, d.name, (g.epoch::bigint << 32) + d.version AS version, d.etag, d.body, d.as_of{more}
FROM read_model.documents d JOIN read_model.generations g USING (slice, generation){joined}
WHERE g.state = 'serving' AND d.account_id = $1 AND d.name = $2 AND d.body <> ''
"""

_WITHOUT_FRESHNESS = _SELECT.format(more="", joined="")
_WITH_FRESHNESS = _SELECT.format(
    more=""", e.as_of AS feed_as_of, e.silent_since, m.whmcs_client_id, m.salesforce_account_id,
       EXISTS (SELECT FROM read_model.upstreams u WHERE u.upstream = $3 AND u.state <> 'closed') AS away,
       (SELECT min(p.parked_at) FROM read_model.parked p WHERE p.account_id = $1 AND p.source = $3) AS parked_at""",
    joined="""
LEFT JOIN read_model.feeds e ON e.feed = $4 LEFT JOIN portal.id_mappings m ON m.account_id = d.account_id""",
)


class Stored(Struct, frozen=True):
    """A stored document.

    `version` grows with every change of the account and, above that, with every change of the serving generation.
    """

    account_id: UUID
    name: str
    version: int
    etag: str
    body: bytes
    as_of: datetime


def key(account_id: UUID | str, name: str) -> str:
    """Compose a Redis key with the account as its hash tag.

    Keys spread over a Redis Cluster, and those of one account stay together.
    """
    return f"portal:{{{account_id}}}:{name}"


def page_key(account_id: str, code: str, name: str) -> bytes:
    """Compose the Redis key of an answer rendered by this code."""
    return key(account_id, f"page:{code}:{name}").encode()


def event_channel(account_id: UUID) -> str:
    """Name the Redis channel on which an account's changes are published."""
    return key(account_id, "events")


def with_members(document: bytes, members: bytes) -> bytes:
    """Append members, encoded without braces, to an encoded JSON object. It is not decoded: answers are hot."""
    return document[:-1] + (b"," if len(document) > 2 else b"") + members + b"}"


async def read(pool: asyncpg.Pool, account_id: UUID, name: str) -> Stored | None:
    """Read a document; None if it was removed or never existed."""
    return await row(pool, Stored, _WITHOUT_FRESHNESS, account_id, name)


async def read_with_freshness(
    pool: asyncpg.Pool, account_id: UUID, name: str, *, upstream: str, feed: str
) -> asyncpg.Record | None:
    """Read a document with everything its freshness depends on.

    That is the feed's `feed_as_of` and `silent_since`, whether the `upstream` is `away`, since when a change of the
    account is parked (`parked_at`), and the account's ids upstream.
    """
    return await pool.fetchrow(_WITH_FRESHNESS, account_id, name, upstream, feed)  # type: ignore[no-any-return, unused-ignore]
