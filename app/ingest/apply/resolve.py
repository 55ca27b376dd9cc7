"""Resolve dead letters: retry or discard.

Failed entries park their record: later ones wait, so that nothing is applied out of order. Only a newer whole record
goes ahead, and heals it. Either decision covers all parked entries of a record, however many letters are named, and
requests a refetch of the record where one is possible: the upstream's present state heals what a retry cannot, and
makes up for what is discarded. Both are idempotent. Every decision is audited in its own transaction.

Reads and writes: ingest.dead_letters, ingest.inbox. Reads: mirror.records. Writes: portal.audit.
"""

from collections.abc import Sequence
from typing import Any

import asyncpg
from msgspec import Struct

from app.audit import Operator, audit
from app.clock import now
from app.db import Db
from app.errors import NotFound
from app.events import milliseconds
from app.ingest.inbox import inbox
from app.ingest.inbox.isolation import Woken
from app.ingest.refetch import rereads

_RESOLVE = """
UPDATE ingest.dead_letters SET resolution = $2, resolved_at = clock_timestamp()
WHERE id = ANY($1::bigint[]) AND resolved_at IS NULL RETURNING id, entry_id, source, object, record_id
"""
_DUE_AGAIN = """
UPDATE ingest.inbox SET attempts = 0, next_attempt_at = clock_timestamp()
WHERE id = ANY($1::bigint[]) AND settled_at IS NULL RETURNING lane, shard
"""


_OWNERS = """
SELECT DISTINCT ON (d.source, d.object, d.record_id) d.source, d.object, d.record_id,
       coalesce(i.owner_id, r.owner_id) AS owner_id
FROM ingest.dead_letters d LEFT JOIN ingest.inbox i ON i.id = d.entry_id
LEFT JOIN mirror.records r ON (r.source, r.object, r.record_id) = (d.source, d.object, d.record_id)
WHERE d.id = ANY($1::bigint[]) AND coalesce(i.kind, '') <> 'hint'
ORDER BY d.source, d.object, d.record_id, d.id DESC
"""
"""Records of these letters, except those of hints, which request a refetch themselves."""


class Resolved(Struct, frozen=True):
    """The effect of a decision.

    Attributes:
        already: letters that were resolved before.
        woken: (lane, shard) pairs to wake.
        submission: number of the requested refetches; None when nothing can be refetched.
    """

    ids: list[int]
    already: list[int]
    woken: Woken
    submission: int | None = None


async def retry(pool: asyncpg.Pool, wake: inbox.Wake, ids: Sequence[int], operator: Operator) -> Resolved:
    """Refetch the records of these letters and retry their parked entries as if new. The refetched record goes ahead of
    entries that still fail.

    Raises:
        NotFound: one of the ids does not exist; nothing is done.
    """
    async with pool.acquire() as connection, connection.transaction():
        await _exist(connection, ids)
        letters = await _resolve(connection, await _of_same_records(connection, ids), "retried")
        reread = await _refetch(connection, letters)
        rows = await connection.fetch(_DUE_AGAIN, [letter["entry_id"] for letter in letters])
        done = await _done(connection, operator, "dead_letter.retry", ids, letters, rows, reread)
    await wake(done.woken)
    return done


async def discard(
    pool: asyncpg.Pool, wake: inbox.Wake, ids: Sequence[int], operator: Operator, reason: str
) -> Resolved:
    """Discard the parked entries of these letters' records, let later changes proceed, and refetch the records.
    Callers that wait for the discarded entries stop waiting.

    Raises:
        NotFound: one of the ids does not exist; nothing is done.
    """
    async with pool.acquire() as connection, connection.transaction():
        await _exist(connection, ids)
        letters = await _resolve(connection, await _of_same_records(connection, ids), "discarded")
        rows = await connection.fetch(
            "SELECT id, lane, shard, submission FROM ingest.inbox WHERE id = ANY($1::bigint[]) AND settled_at IS NULL",
            [letter["entry_id"] for letter in letters],
        )
        submissions = [row["submission"] for row in rows]
        await inbox.settle(connection, [(row["id"], "discarded") for row in rows], submissions)
        reread = await _refetch(connection, letters)
        done = await _done(connection, operator, "dead_letter.discard", ids, letters, rows, reread, reason=reason)
    await wake(done.woken)
    return done


async def _refetch(connection: Db, letters: Sequence[Any]) -> tuple[int | None, Woken]:
    """Request refetches of the letters' records; return their submission and the shards to wake."""
    rows = await connection.fetch(_OWNERS, [letter["id"] for letter in letters])
    at = now()
    hints = [
        hint
        for row in rows
        if (
            hint := rereads.hint(
                row["source"],
                row["object"],
                row["record_id"],
                row["owner_id"],
                reason=f"operator:{row['object']}:{row['record_id']}:{milliseconds(at)}",
                version=milliseconds(at),
                occurred_at=at,
            )
        )
    ]
    return await inbox.append(connection, hints) if hints else (None, set())


async def _exist(connection: Db, ids: Sequence[int]) -> None:
    rows = await connection.fetch("SELECT id FROM ingest.dead_letters WHERE id = ANY($1::bigint[])", list(ids))
    if missing := sorted(set(ids) - {row["id"] for row in rows}):
        named = ", ".join(map(str, missing))
        raise NotFound(f"There is no dead letter {named}. Nothing was done.", code="no_dead_letter")


async def _of_same_records(connection: Db, ids: Sequence[int]) -> list[int]:
    rows = await connection.fetch(
        "SELECT o.id FROM ingest.dead_letters d JOIN ingest.dead_letters o USING (source, object, record_id) "
        "WHERE d.id = ANY($1::bigint[]) AND d.resolved_at IS NULL AND o.resolved_at IS NULL",
        list(ids),
    )
    return [row["id"] for row in rows]


async def _resolve(connection: Db, ids: Sequence[int], resolution: str) -> list[Any]:
    """Lock letters in the order of their ids, so that two operators cannot deadlock."""
    await connection.execute(
        "SELECT FROM ingest.dead_letters WHERE id = ANY($1::bigint[]) ORDER BY id FOR UPDATE", list(ids)
    )
    return list(await connection.fetch(_RESOLVE, list(ids), resolution))


async def _done(
    connection: Db,
    operator: Operator,
    action: str,
    ids: Sequence[int],
    letters: Sequence[Any],
    rows: Sequence[Any],
    reread: tuple[int | None, Woken],
    **detail: str,
) -> Resolved:
    done = sorted(letter["id"] for letter in letters)
    if done:
        await audit(connection, operator, action, [f"dead_letter:{each}" for each in done], **detail)
    submission, woken = reread
    woken = woken | {(row["lane"], row["shard"]) for row in rows}
    return Resolved(done, sorted(set(ids) - set(done)), woken, submission)
