"""Dead letters: changes that could not be applied, kept with error and stack; their record waits, nobody else does.

Reads and writes: ingest.dead_letters, ingest.inbox. Writes: portal.audit.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import asyncpg
from msgspec import Struct

from app.errors import NotFound
from app.ingest import inbox

_LIST = """
SELECT d.id, d.entry_id, d.source, d.object, d.record_id, d.error, d.stack, d.attempts, d.parked_at, d.resolution,
       d.resolved_at, i.origin, i.kind, i.version, i.event_id, i.data,
       (SELECT count(*) FROM ingest.inbox w WHERE w.settled_at IS NULL AND w.id > d.entry_id
        AND (w.source, w.object, w.record_id) = (d.source, d.object, d.record_id)) AS waiting
FROM ingest.dead_letters d JOIN ingest.inbox i ON i.id = d.entry_id
"""


class DeadLetter(Struct, frozen=True, kw_only=True):
    """A parked change. `waiting` counts later changes of the same record that wait behind it."""

    id: int
    entry_id: int
    source: str
    object: str
    record_id: str
    error: str
    stack: str
    attempts: int
    parked_at: datetime
    resolution: str | None
    resolved_at: datetime | None
    origin: str
    kind: str
    version: int
    event_id: str
    data: dict[str, Any]
    waiting: int


async def open_letters(pool: asyncpg.Pool, limit: int = 100) -> list[DeadLetter]:
    """Those that nobody has dealt with, oldest first."""
    rows = await pool.fetch(f"{_LIST} WHERE d.resolved_at IS NULL ORDER BY d.id LIMIT $1", limit)
    return [DeadLetter(**dict(row)) for row in rows]


async def letter(pool: asyncpg.Pool, letter_id: int) -> DeadLetter:
    """One, dealt with or not.

    Raises:
        NotFound
    """
    row = await pool.fetchrow(f"{_LIST} WHERE d.id = $1", letter_id)
    if row is None:
        raise NotFound(f"There is no dead letter {letter_id}. `portal dead-letters` lists them.", code="no_dead_letter")
    return DeadLetter(**dict(row))


async def retry(pool: asyncpg.Pool, wake: inbox.Wake, letter_ids: Sequence[int], who: str) -> int:
    """Let the parked changes be tried again, with all their attempts; returns how many were open."""
    async with pool.acquire() as connection, connection.transaction():
        entries = await _resolve(connection, letter_ids, "retried", who)
        rows = await connection.fetch(
            "UPDATE ingest.inbox SET attempts = 0, next_attempt_at = clock_timestamp() "
            "WHERE id = ANY($1::bigint[]) AND settled_at IS NULL RETURNING lane, shard",
            entries,
        )
    await wake({(row["lane"], row["shard"]) for row in rows})
    return len(entries)


async def discard(pool: asyncpg.Pool, wake: inbox.Wake, letter_ids: Sequence[int], who: str, reason: str) -> int:
    """Give the parked changes up, so that later ones of their records go on; returns how many were open."""
    async with pool.acquire() as connection, connection.transaction():
        entries = await _resolve(connection, letter_ids, "discarded", who, reason)
        rows = await connection.fetch(
            "SELECT DISTINCT lane, shard, submission FROM ingest.inbox WHERE id = ANY($1::bigint[])", entries
        )
        outcomes = [(entry_id, "discarded") for entry_id in entries]
        await inbox.settle(connection, outcomes, {row["submission"] for row in rows})
    await wake({(row["lane"], row["shard"]) for row in rows})
    return len(entries)


async def _resolve(
    connection: Any, letter_ids: Sequence[int], resolution: str, who: str, reason: str = ""
) -> list[int]:
    rows = await connection.fetch(
        "UPDATE ingest.dead_letters SET resolution = $2, resolved_at = now() "
        "WHERE id = ANY($1::bigint[]) AND resolved_at IS NULL RETURNING id, entry_id",
        list(letter_ids),
        resolution,
    )
    await connection.executemany(
        "INSERT INTO portal.audit (action, outcome, target, detail) VALUES ('dead_letter', $1, $2, $3)",
        [(resolution, str(row["id"]), {"who": who, "reason": reason}) for row in rows],
    )
    return [row["entry_id"] for row in rows]
