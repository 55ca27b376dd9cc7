"""Decide about dead letters: retry or discard.

A record is parked by its failed entries: later ones wait, so that nothing is applied out of order. Only a newer whole
record goes ahead, and heals it. Either decision is about all that is parked of a record, however many letters are
named; and either has the record read again upstream, where it can be: what the upstream holds now heals what retrying
cannot, and makes up for what is given up. Both may be repeated: what is resolved already stays as it is. Every decision
is in the audit log, in the transaction that carries it out.

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
"""Records of these letters; a hint among them is a wish to read again itself."""


class Resolved(Struct, frozen=True):
    """What a decision did.

    Attributes:
        already: letters that were resolved before.
        woken: (lane, shard) pairs with work now.
        submission: of the wishes to read the records again upstream; None where there is nothing to be read.
    """

    ids: list[int]
    already: list[int]
    woken: Woken
    submission: int | None = None


async def retry(pool: asyncpg.Pool, wake: inbox.Wake, ids: Sequence[int], operator: Operator) -> Resolved:
    """Have the records of these entries read again, and try what is parked of them as if it had just come in. The whole
    record that is read goes ahead of entries that still fail.

    Raises:
        NotFound: one of the ids was never given out; nothing is done.
    """
    async with pool.acquire() as connection, connection.transaction():
        await _exist(connection, ids)
        letters = await _resolve(connection, await _of_same_records(connection, ids), "retried")
        reread = await _read_again(connection, letters)
        rows = await connection.fetch(_DUE_AGAIN, [letter["entry_id"] for letter in letters])
        done = await _done(connection, operator, "dead_letter.retry", ids, letters, rows, reread)
    await wake(done.woken)
    return done


async def discard(
    pool: asyncpg.Pool, wake: inbox.Wake, ids: Sequence[int], operator: Operator, reason: str
) -> Resolved:
    """Give up for good what is parked of the records of these entries; later changes of them move on, and the records
    are read again. Whoever waits for the entries waits no longer.

    Raises:
        NotFound: one of the ids was never given out; nothing is done.
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
        reread = await _read_again(connection, letters)
        done = await _done(connection, operator, "dead_letter.discard", ids, letters, rows, reread, reason=reason)
    await wake(done.woken)
    return done


async def _read_again(connection: Db, letters: Sequence[Any]) -> tuple[int | None, Woken]:
    """Wishes to have the records of these letters read; their submission, and whom to wake."""
    rows = await connection.fetch(_OWNERS, [letter["id"] for letter in letters])
    at = now()
    wishes = [
        wish
        for row in rows
        if (
            wish := rereads.hint(
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
    return await inbox.append(connection, wishes) if wishes else (None, set())


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
    """In the order of ids for everybody, so that two operators never wait for each other in a circle."""
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
