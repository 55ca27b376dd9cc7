"""The stamp of an account: what everything it may read depends on, in one small value that processes share.

Two answers of one account under one stamp are the same answer, wherever they are kept.

Reads: read_model.account_versions, generations, feeds, parked, pending.
"""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

import asyncpg

from app.cache.read_through import ReadThrough
from app.readmodels.table import GLOBAL_ACCOUNT

Stamp = tuple[int, int, int]
"""(version of the account, sum of the epochs that serve, a number that stands for the feeds that are known to be silent
and for what is parked of everybody's): the first two only ever grow."""
UNSHARED: Stamp = (-1, -1, -1)
"""Something is pending or parked: the account's answers change without its version, so none of them is kept."""
MOST = 200_000
"""Stamps that one process knows, at some 200 bytes each."""

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


def stamps(pool: asyncpg.Pool) -> ReadThrough[Stamp]:
    """The stamps a process knows, by account id as text."""

    async def read(accounts: Sequence[str]) -> Mapping[str, Stamp]:
        rows = await pool.fetch(_READ, [UUID(account) for account in accounts], GLOBAL_ACCOUNT)
        return {str(row["id"]): UNSHARED if row["unshared"] else _stamp(row) for row in rows}

    return ReadThrough(read, MOST)


def _stamp(row: Any) -> Stamp:
    return row["version"], row["epochs"], row["doubts"]
