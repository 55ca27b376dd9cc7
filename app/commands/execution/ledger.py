"""The command ledger: one row per idempotency key, holding the first answer.

The same key and body return the first answer. The same key with another body is refused, and so is a second request
while the first is running. A row whose runner died may be taken over once its lock has expired, because every command
can be repeated: it finds what it did upstream by its key.

Writes: portal.commands.
"""

from datetime import datetime
from typing import Any, Literal
from uuid import UUID, uuid4

import asyncpg
import msgspec
from msgspec import Struct

from app.db import only_row, row
from app.errors import Conflict, NotFound, RuleViolated
from app.intake.words import same_lines
from app.keyring import Keyring

LOCK_SECONDS = 20
"""How long the key of a dead runner stays locked. A slow runner may be overtaken: every command also guards itself."""
KEPT_HOURS = 24
WRITTEN = frozenset({"open_case", "comment_on_case"})
"""Commands whose body is text written by a person."""

_BEGIN = """
INSERT INTO portal.commands (id, scope, idempotency_key, name, account_id, body_hash, state, locked_until)
VALUES ($1, $2, $3, $4, $5, $6, 'running', now() + $7 * interval '1 second')
ON CONFLICT (scope, idempotency_key) DO UPDATE
SET state = 'running', locked_until = excluded.locked_until, body_hash = excluded.body_hash
WHERE portal.commands.name = excluded.name AND portal.commands.body_hash = ANY($8)
  AND (portal.commands.state = 'failed'
       OR (portal.commands.state = 'running' AND portal.commands.locked_until < now()))
RETURNING id, locked_until
"""


class Replay(Struct, frozen=True):
    """The first answer of a command, to be sent again."""

    id: UUID
    status: int
    body: bytes
    submission: int | None


class Running(Struct, frozen=True):
    """A key held by this caller, who must finish or fail it. `locked_until` tells it from one that a later runner took
    over."""

    id: UUID
    locked_until: datetime


class CommandState(Struct, frozen=True, kw_only=True):
    """The progress of a command. A failed one may be sent again under its key."""

    command_id: UUID
    name: str
    state: Literal["running", "done", "failed"]
    status: int | None
    submission: int | None
    started_at: datetime
    finished_at: datetime | None


async def begin(
    pool: asyncpg.Pool, *, keyring: Keyring, scope: str, key: str, name: str, account_id: UUID | None, body: bytes
) -> Running | Replay:
    """Take the key, or return the answer it already has.

    Only a keyed hash of the body is kept: it may hold a password, which could be guessed from a plain hash.

    Raises:
        RuleViolated: `idempotency_key_reused`, another body under the same key.
        Conflict: `command_in_progress`.
    """
    digests = keyring.macs(_comparable(name, body))
    taken = await pool.fetchrow(_BEGIN, uuid4(), scope, key, name, account_id, digests[0], LOCK_SECONDS, digests)
    if taken is not None:
        return Running(taken["id"], taken["locked_until"])
    kept = await only_row(
        pool,
        "SELECT id, name, body_hash, state, response_status, response_body, submission FROM portal.commands "
        "WHERE scope = $1 AND idempotency_key = $2",
        scope,
        key,
    )
    if kept["name"] != name or kept["body_hash"] not in digests:
        raise RuleViolated(
            "This Idempotency-Key was used for another request. Use a new key for a new request.",
            code="idempotency_key_reused",
        )
    if kept["state"] == "running":
        raise Conflict(
            "The same request is still being processed. Please try again in a moment.",
            code="command_in_progress",
            retry_after_seconds=2,
        )
    return Replay(kept["id"], kept["response_status"], kept["response_body"], kept["submission"])


def _comparable(name: str, body: bytes) -> bytes:
    """Return the body as it is compared. Line endings do not matter in text written by a person."""
    if name not in WRITTEN:
        return body
    address, _, content = body.partition(b"\0")
    try:
        decoded = msgspec.json.decode(content)
    except msgspec.DecodeError:
        return body
    return address + b"\0" + msgspec.json.encode(_normalised(decoded), order="deterministic")


def _normalised(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _normalised(each) for key, each in value.items()}
    return same_lines(value) if isinstance(value, str) else value


async def finish(pool: asyncpg.Pool, running: Running, status: int, body: bytes, submission: int | None) -> None:
    """Store the first answer, to be replayed for repetitions."""
    await pool.execute(
        "UPDATE portal.commands SET state = 'done', response_status = $2, response_body = $3, submission = $4, "
        "finished_at = now() WHERE id = $1 AND locked_until = $5",
        running.id,
        status,
        body,
        submission,
        running.locked_until,
    )


async def fail(pool: asyncpg.Pool, running: Running) -> None:
    """Release the key, so that the same request may be tried again."""
    await pool.execute(
        "UPDATE portal.commands SET state = 'failed', finished_at = now() "
        "WHERE id = $1 AND state = 'running' AND locked_until = $2",
        running.id,
        running.locked_until,
    )


async def forget(pool: asyncpg.Pool, running: Running) -> None:
    """Delete the row: the answer holds a secret, and the key only prevented two concurrent runs."""
    await pool.execute(
        "DELETE FROM portal.commands WHERE id = $1 AND locked_until = $2", running.id, running.locked_until
    )


async def forget_old(pool: asyncpg.Pool) -> None:
    """Delete answers that are older than they are promised to be kept."""
    await pool.execute(
        "DELETE FROM portal.commands WHERE created_at < now() - $1 * interval '1 hour' AND locked_until < now()",
        KEPT_HOURS,
    )


async def state(pool: asyncpg.Pool, scope: str, id_or_key: str) -> CommandState:
    """Return the progress of a command, found by its id or by the key it was sent with.

    Raises:
        NotFound: unknown, already deleted, or another caller's.
    """
    found = await row(
        pool,
        CommandState,
        "SELECT id AS command_id, name, state, response_status AS status, submission, created_at AS started_at, "
        "finished_at FROM portal.commands WHERE scope = $1 AND (id::text = $2 OR idempotency_key = $2) LIMIT 1",
        scope,
        id_or_key,
    )
    if found is None:
        raise NotFound
    return found
