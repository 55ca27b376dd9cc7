"""The cache version of an account: one small value, shared by all processes, for everything the account may read.

Two answers of one account under one cache version are the same answer, wherever they are kept.

Reads: read_model.account_versions, generations, feeds, parked, pending.
"""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

import asyncpg

from app.cache.batching import Batcher
from app.cache.read_through import ReadThrough
from app.readmodels.table import GLOBAL_ACCOUNT

CacheVersion = tuple[int, int, int]
"""Version of the account, sum of the serving epochs, and a number for silent feeds and for what is parked for
everybody.

The first two only ever grow.
"""
UNSHARED: CacheVersion = (-1, -1, -1)
"""Something is pending or parked: the account's answers change without its version, so none of them is cached."""
MOST = 200_000
"""Cache versions held by one process, at some 200 bytes each."""

_READ = """
SELECT a.id, coalesce(v.version, 0) AS version,
       (SELECT coalesce(sum(epoch), 0)::bigint FROM read_model.generations WHERE state = 'serving') AS epochs,
       (SELECT coalesce(sum(extract(epoch FROM silent_since)::bigint), 0)::bigint FROM read_model.feeds
        WHERE feed NOT LIKE 'whmcs:%')
       + CASE WHEN a.id <> $2 THEN 0 ELSE (SELECT count(*) FROM read_model.parked p WHERE p.account_id = a.id) END
         AS doubts,
       EXISTS (SELECT FROM read_model.pending p WHERE p.account_id = a.id)
       OR (a.id <> $2 AND EXISTS (SELECT FROM read_model.parked p WHERE p.account_id = a.id)) AS unshared
FROM unnest($1::uuid[]) AS a (id) LEFT JOIN read_model.account_versions v ON v.account_id = a.id
"""
_PRESENT = "SELECT account_id, version FROM read_model.account_versions WHERE account_id = ANY($1::uuid[])"


def cache_versions(pool: asyncpg.Pool) -> ReadThrough[CacheVersion]:
    """Read cache versions by account id (as text) through a process-local cache."""

    async def read(accounts: Sequence[str]) -> Mapping[str, CacheVersion]:
        rows = await pool.fetch(_READ, [UUID(account) for account in accounts], GLOBAL_ACCOUNT)
        return {str(row["id"]): UNSHARED if row["unshared"] else _version(row) for row in rows}

    return ReadThrough(read, MOST)


def present_versions(pool: asyncpg.Pool) -> Batcher[str, int]:
    """Read the present version of accounts, in one statement for all callers of one turn of the event loop."""

    async def read(accounts: Sequence[str]) -> Mapping[str, int]:
        rows = await pool.fetch(_PRESENT, [UUID(account) for account in accounts])
        return {**dict.fromkeys(accounts, 0), **{str(row["account_id"]): row["version"] for row in rows}}

    return Batcher(read)


def _version(row: Any) -> CacheVersion:
    return row["version"], row["epochs"], row["doubts"]
