"""The command ledger: one row an idempotency key, holding the first answer.

Same key and body gives the first answer again; the same key with another body is refused; while the first runs, a
second is told so. A row whose runner died may be taken over once its lock has run out, because every command can be
repeated: what it did upstream it finds again by its key.

Writes: portal.commands.
"""

import hashlib
from uuid import UUID, uuid4

import asyncpg
from msgspec import Struct

from app.errors import Conflict, RuleViolated

LOCK_SECONDS = 120
KEPT_HOURS = 24

_BEGIN = """
INSERT INTO portal.commands (id, scope, idempotency_key, name, account_id, body_hash, state, locked_until)
VALUES ($1, $2, $3, $4, $5, $6, 'running', now() + $7 * interval '1 second')
ON CONFLICT (scope, idempotency_key) DO UPDATE SET state = 'running', locked_until = excluded.locked_until
WHERE portal.commands.name = excluded.name AND portal.commands.body_hash = excluded.body_hash
  AND (portal.commands.state = 'failed'
       OR (portal.commands.state = 'running' AND portal.commands.locked_until < now()))
RETURNING id
"""


class Replay(Struct, frozen=True):
    """The first answer."""

    status: int
    body: bytes
    submission: int | None


class Running(Struct, frozen=True):
    """This caller holds the key and must finish or fail it."""

    id: UUID


async def begin(
    pool: asyncpg.Pool, *, scope: str, key: str, name: str, account_id: UUID | None, body: bytes
) -> Running | Replay:
    """Take the key, or get the answer it already has.

    Raises:
        RuleViolated: `idempotency_key_reused`, another body under the same key.
        Conflict: `command_in_progress`.
    """
    digest = hashlib.sha256(body).digest()
    taken = await pool.fetchval(_BEGIN, uuid4(), scope, key, name, account_id, digest, LOCK_SECONDS)
    if taken is not None:
        return Running(taken)
    row = await pool.fetchrow(
        "SELECT name, body_hash, state, response_status, response_body, submission FROM portal.commands "
        "WHERE scope = $1 AND idempotency_key = $2",
        scope,
        key,
    )
    if row["name"] != name or row["body_hash"] != digest:
        raise RuleViolated(
            "This Idempotency-Key was used for another request. Use a new key for a new request.",
            code="idempotency_key_reused",
        )
    if row["state"] == "running":
        raise Conflict(
            "The same request is still being worked on. Ask again in a moment.",
            code="command_in_progress",
            retry_after_seconds=2,
        )
    return Replay(row["response_status"], row["response_body"], row["submission"])


async def finish(pool: asyncpg.Pool, running: Running, status: int, body: bytes, submission: int | None) -> None:
    """Keep the first answer."""
    await pool.execute(
        "UPDATE portal.commands SET state = 'done', response_status = $2, response_body = $3, submission = $4, "
        "finished_at = now() WHERE id = $1",
        running.id,
        status,
        body,
        submission,
    )


async def fail(pool: asyncpg.Pool, running: Running) -> None:
    """Free the key, so that the same request may be tried again."""
    await pool.execute(
        "UPDATE portal.commands SET state = 'failed', finished_at = now() WHERE id = $1 AND state = 'running'",
        running.id,
    )


async def forget_old(pool: asyncpg.Pool) -> None:
    """Drop answers that are past their promise."""
    await pool.execute(
        "DELETE FROM portal.commands WHERE created_at < now() - $1 * interval '1 hour' AND state <> 'running'",
        KEPT_HOURS,
    )
