"""Decide about dead letters: retry or discard.

A record is parked by its oldest failed entry: later ones wait, so that nothing is applied out of order. Retrying one
dead letter therefore retries all of its record; discarding one gives up that entry alone. Both may be repeated: what is
resolved already stays as it is. Every decision is in the audit log, in the transaction that carries it out.

Reads and writes: ingest.dead_letters, ingest.inbox. Writes: portal.audit.
"""

from collections.abc import Sequence
from typing import Any

import asyncpg
from msgspec import Struct

from app.errors import NotFound
from app.ingest import inbox
from app.ingest.operators import Operator, audit

_RESOLVE = """
UPDATE ingest.dead_letters SET resolution = $2, resolved_at = clock_timestamp()
WHERE id = ANY($1::bigint[]) AND resolved_at IS NULL RETURNING id, entry_id, source, object, record_id
"""
_DUE_AGAIN = """
UPDATE ingest.inbox SET attempts = 0, next_attempt_at = clock_timestamp()
WHERE id = ANY($1::bigint[]) AND settled_at IS NULL RETURNING lane, shard
"""


class Resolved(Struct, frozen=True):
    """What a decision did. `already` were resolved before; `woken` are (lane, shard) pairs with work now."""

    ids: list[int]
    already: list[int]
    woken: set[tuple[str, int]]


async def retry(pool: asyncpg.Pool, wake: inbox.Wake, ids: Sequence[int], operator: Operator) -> Resolved:
    """Try these entries again, with those parked of the same records, as if they had just come in.

    Raises:
        NotFound: one of the ids was never given out; nothing is done.
    """
    async with pool.acquire() as connection, connection.transaction():
        await _exist(connection, ids)
        letters = await _resolve(connection, await _of_same_records(connection, ids), "retried")
        rows = await connection.fetch(_DUE_AGAIN, [letter["entry_id"] for letter in letters])
        done = await _done(connection, operator, "dead_letter.retry", ids, letters, rows)
    await wake(done.woken)
    return done


async def discard(
    pool: asyncpg.Pool, wake: inbox.Wake, ids: Sequence[int], operator: Operator, reason: str
) -> Resolved:
    """Give up these entries for good; later ones of their records move on. Whoever waits for them waits no longer.

    Raises:
        NotFound: one of the ids was never given out; nothing is done.
    """
    async with pool.acquire() as connection, connection.transaction():
        await _exist(connection, ids)
        letters = await _resolve(connection, ids, "discarded")
        rows = await connection.fetch(
            "SELECT id, lane, shard, submission FROM ingest.inbox WHERE id = ANY($1::bigint[]) AND settled_at IS NULL",
            [letter["entry_id"] for letter in letters],
        )
        submissions = [row["submission"] for row in rows]
        await inbox.settle(connection, [(row["id"], "discarded") for row in rows], submissions)
        done = await _done(connection, operator, "dead_letter.discard", ids, letters, rows, reason=reason)
    await wake(done.woken)
    return done


async def _exist(connection: Any, ids: Sequence[int]) -> None:
    rows = await connection.fetch("SELECT id FROM ingest.dead_letters WHERE id = ANY($1::bigint[])", list(ids))
    if missing := sorted(set(ids) - {row["id"] for row in rows}):
        named = ", ".join(map(str, missing))
        raise NotFound(f"There is no dead letter {named}. Nothing was done.", code="no_dead_letter")


async def _of_same_records(connection: Any, ids: Sequence[int]) -> list[int]:
    rows = await connection.fetch(
        "SELECT o.id FROM ingest.dead_letters d JOIN ingest.dead_letters o USING (source, object, record_id) "
        "WHERE d.id = ANY($1::bigint[]) AND d.resolved_at IS NULL AND o.resolved_at IS NULL",
        list(ids),
    )
    return [row["id"] for row in rows]


async def _resolve(connection: Any, ids: Sequence[int], resolution: str) -> list[Any]:
    """In the order of ids for everybody, so that two operators never wait for each other in a circle."""
    await connection.execute(
        "SELECT FROM ingest.dead_letters WHERE id = ANY($1::bigint[]) ORDER BY id FOR UPDATE", list(ids)
    )
    return list(await connection.fetch(_RESOLVE, list(ids), resolution))


async def _done(
    connection: Any,
    operator: Operator,
    action: str,
    ids: Sequence[int],
    letters: Sequence[Any],
    rows: Sequence[Any],
    **detail: str,
) -> Resolved:
    done = sorted(letter["id"] for letter in letters)
    if done:
        await audit(connection, operator, action, [f"dead_letter:{each}" for each in done], **detail)
    return Resolved(done, sorted(set(ids) - set(done)), {(row["lane"], row["shard"]) for row in rows})
