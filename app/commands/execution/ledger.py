"""The command ledger: one row an idempotency key, holding the first answer.

Same key and body gives the first answer again; the same key with another body is refused; while the first runs, a
second is told so. A row whose runner died may be taken over once its lock has run out, because every command can be
repeated: what it did upstream it finds again by its key.

Writes: portal.commands.
"""

from datetime import datetime
from typing import Any, Literal
from uuid import UUID, uuid4

import asyncpg
import msgspec
from msgspec import Struct

from app.errors import Conflict, NotFound, RuleViolated
from app.intake.words import same_lines
from app.keyring import Keyring

LOCK_SECONDS = 20
"""How long a dead runner's key stays taken. A slow one may be overtaken: every command also guards itself."""
KEPT_HOURS = 24
WRITTEN = frozenset({"open_case", "comment_on_case"})
"""Commands whose body is what a person wrote."""

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
    """The first answer."""

    id: UUID
    status: int
    body: bytes
    submission: int | None


class Running(Struct, frozen=True):
    """This caller holds the key and must finish or fail it. `locked_until` tells it from one that took the key over."""

    id: UUID
    locked_until: datetime


class CommandState(Struct, frozen=True, kw_only=True):
    """How far a command is. A failed one may be sent again under its key."""

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
    """Take the key, or get the answer it already has.

    Of the body only a keyed hash is kept: it may hold a password, which a plain hash would give away to guessing.

    Raises:
        RuleViolated: `idempotency_key_reused`, another body under the same key.
        Conflict: `command_in_progress`.
    """
    digests = keyring.macs(_told(name, body))
    taken = await pool.fetchrow(_BEGIN, uuid4(), scope, key, name, account_id, digests[0], LOCK_SECONDS, digests)
    if taken is not None:
        return Running(taken["id"], taken["locked_until"])
    row = await pool.fetchrow(
        "SELECT id, name, body_hash, state, response_status, response_body, submission FROM portal.commands "
        "WHERE scope = $1 AND idempotency_key = $2",
        scope,
        key,
    )
    if row["name"] != name or row["body_hash"] not in digests:
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
    return Replay(row["id"], row["response_status"], row["response_body"], row["submission"])


def _told(name: str, body: bytes) -> bytes:
    """The body as it is compared: of what people write, by what it says and not by how its lines end."""
    if name not in WRITTEN:
        return body
    address, _, content = body.partition(b"\0")
    try:
        said = msgspec.json.decode(content)
    except msgspec.DecodeError:
        return body
    return address + b"\0" + msgspec.json.encode(_same(said), order="deterministic")


def _same(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _same(each) for key, each in value.items()}
    return same_lines(value) if isinstance(value, str) else value


async def finish(pool: asyncpg.Pool, running: Running, status: int, body: bytes, submission: int | None) -> None:
    """Keep the first answer."""
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
    """Free the key, so that the same request may be tried again."""
    await pool.execute(
        "UPDATE portal.commands SET state = 'failed', finished_at = now() "
        "WHERE id = $1 AND state = 'running' AND locked_until = $2",
        running.id,
        running.locked_until,
    )


async def forget(pool: asyncpg.Pool, running: Running) -> None:
    """Keep nothing: the answer holds a secret, and the key only kept two from running at once."""
    await pool.execute(
        "DELETE FROM portal.commands WHERE id = $1 AND locked_until = $2", running.id, running.locked_until
    )


async def forget_old(pool: asyncpg.Pool) -> None:
    """Drop answers that are past their promise."""
    await pool.execute(
        "DELETE FROM portal.commands WHERE created_at < now() - $1 * interval '1 hour' AND locked_until < now()",
        KEPT_HOURS,
    )


async def state(pool: asyncpg.Pool, scope: str, id_or_key: str) -> CommandState:
    """What became of a command, by its id or by the key it was sent with.

    Raises:
        NotFound: unknown, forgotten, or somebody else's.
    """
    row = await pool.fetchrow(
        "SELECT id AS command_id, name, state, response_status AS status, submission, created_at AS started_at, "
        "finished_at FROM portal.commands WHERE scope = $1 AND (id::text = $2 OR idempotency_key = $2) LIMIT 1",
        scope,
        id_or_key,
    )
    if row is None:
        raise NotFound
    return CommandState(**dict(row))
