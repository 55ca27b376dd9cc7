"""The command ledger: one row per idempotency key, holding the first answer.

The same key and body return the first answer. The same key with another body is refused, and so is a second request
while the first is running. A row whose runner died may be taken over once its lock has expired, because every command
can be repeated: it finds what it did upstream by its key.

The end of a command of an account is said in a notice, in the same transaction (`app/ingest/versions`); that of one
whose write a projection shows is said by the commit that shows it.

Writes: portal.commands; through `pending` and `rechecks`, read_model.pending and notices.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Literal
from uuid import UUID, uuid4

import asyncpg
import msgspec
from msgspec import Struct

from app.commands.execution.compared_body import comparable
from app.db import Connection, only_row
from app.errors import Conflict, OutcomeUnknown, RuleViolated
from app.ingest.inbox import pending, rechecks
from app.ingest.versions.notices import Outcome
from app.integrations.admission.call_log import UpstreamCall
from app.keyring import Keyring
from app.words.sentence import say, stored_phrases

LOCK_SECONDS = 20
"""How long the key of a dead runner stays locked. A slow runner may be overtaken: every command also guards itself."""
LOST_SECONDS = 300
"""How long after that a command without an end counts as given up."""
KEPT_HOURS = 24

_BEGIN = """
INSERT INTO portal.commands (id, scope, idempotency_key, name, account_id, body_hash, state, locked_until)
VALUES ($1, $2, $3, $4, $5, $6, 'running', now() + $7 * interval '1 second')
ON CONFLICT (scope, idempotency_key) DO UPDATE
SET state = 'running', locked_until = excluded.locked_until, body_hash = excluded.body_hash,
    attempts = portal.commands.attempts + 1, error_code = NULL, error = NULL, error_phrases = '[]',
    retry_at = NULL, finished_at = NULL
WHERE portal.commands.name = excluded.name AND portal.commands.body_hash = ANY($8)
  AND (portal.commands.state = 'failed'
       OR (portal.commands.state = 'running' AND portal.commands.locked_until < now()))
RETURNING id, locked_until
"""
_FINISH = """
UPDATE portal.commands SET state = 'done', response_status = $2, response_body = $3, submission = $4,
    account_version = $6, steps = steps || $7, finished_at = now(), error_code = NULL, error = NULL,
    error_phrases = '[]', retry_at = NULL
WHERE id = $1 AND locked_until = $5 RETURNING account_id
"""
_FAIL = """
UPDATE portal.commands SET state = 'failed', finished_at = now(), error_code = $3, error = $4, steps = steps || $5,
    retry_at = now() + $6 * interval '1 second', error_phrases = $7
WHERE id = $1 AND state IN ('running', 'queued') AND locked_until = $2 RETURNING account_id
"""
_GIVE_UP = """
UPDATE portal.commands SET state = 'failed', finished_at = now(), error_code = $2, error = $3, error_phrases = $4
WHERE id IN (SELECT id FROM portal.commands WHERE state = 'running' AND locked_until < now() - $1 * interval '1 second'
             ORDER BY id LIMIT 100 FOR UPDATE SKIP LOCKED)
RETURNING id, account_id
"""
_ACCEPTED = "SELECT true FROM read_model.pending WHERE command_id = $1 AND submission IS NOT NULL LIMIT 1"
"""The upstream has accepted the write, whatever failed later: the commit that shows it says so."""
Effect = Literal["refused", "not_done", "unknown"]


class Replay(Struct, frozen=True):
    """The first answer of a command, to be sent again. `account_version` is the one that it includes."""

    id: UUID
    status: int
    body: bytes
    submission: int | None
    account_version: int | None = None


class Running(Struct, frozen=True):
    """A key held by this caller, who must finish or fail it. `locked_until` tells it from one that a later runner took
    over."""

    id: UUID
    locked_until: datetime


class RunEnd(Struct, frozen=True, kw_only=True):
    """What is known of a run that succeeded: the version of the account that its answer includes, its calls, and how
    the command ended, if no change has to show that."""

    account_version: int | None = None
    steps: Sequence[UpstreamCall] = ()
    outcome: Outcome | None = None


NOTHING_KNOWN = RunEnd()


class RunFailure(Struct, frozen=True, kw_only=True):
    """Why a run failed, as the customer is told, and what is known of its effect.

    - refused: nothing was done, and a repetition is refused as well.
    - not_done: nothing was done; a repetition may succeed.
    - unknown: it may have been done.
    """

    code: str
    sentence: str
    effect: Effect
    retry_after_seconds: int | None = None


UNKNOWN = RunFailure(code=OutcomeUnknown.code, sentence=OutcomeUnknown.detail, effect="unknown")
UNKNOWN_STORED = (UNKNOWN.code, UNKNOWN.sentence, stored_phrases(UNKNOWN.sentence))


async def begin(
    pool: asyncpg.Pool, *, keyring: Keyring, scope: str, key: str, name: str, account_id: UUID | None, body: bytes
) -> Running | Replay:
    """Take the key, or return the answer it already has.

    Only a keyed hash of the body is kept: it may hold a password, which could be guessed from a plain hash.

    Raises:
        RuleViolated: `idempotency_key_reused`, another body under the same key.
        Conflict: `command_in_progress`.
    """
    digests = keyring.macs(comparable(name, body))
    taken = await pool.fetchrow(_BEGIN, uuid4(), scope, key, name, account_id, digests[0], LOCK_SECONDS, digests)
    if taken is not None:
        return Running(taken["id"], taken["locked_until"])
    kept = await only_row(
        pool,
        "SELECT id, name, body_hash, state, response_status, response_body, submission, account_version "
        "FROM portal.commands "
        "WHERE scope = $1 AND idempotency_key = $2",
        scope,
        key,
    )
    if kept["name"] != name or kept["body_hash"] not in digests:
        raise RuleViolated(
            say("problems.idempotency_key_reused"),
            code="idempotency_key_reused",
        )
    if kept["state"] == "running":
        raise Conflict(
            say("problems.request_in_progress"),
            code="command_in_progress",
            retry_after_seconds=2,
        )
    answer = kept["response_status"], kept["response_body"], kept["submission"], kept["account_version"]
    return Replay(kept["id"], *answer)


async def finish(
    pool: asyncpg.Pool,
    running: Running,
    status: int,
    body: bytes,
    submission: int | None,
    end: RunEnd = NOTHING_KNOWN,
) -> None:
    """Store the first answer, to be replayed for repetitions."""
    async with pool.acquire() as connection, connection.transaction():
        kept = (
            running.id,
            status,
            body,
            submission,
            running.locked_until,
            end.account_version,
            msgspec.to_builtins(end.steps),
        )
        row = await connection.fetchrow(_FINISH, *kept)
        if row is not None and row["account_id"] and end.outcome is not None:
            await pending.withdraw(connection, running.id)
            await pending.note(connection, row["account_id"], running.id, end.outcome)


async def fail(
    pool: asyncpg.Pool,
    running: Running,
    failure: RunFailure = UNKNOWN,
    *,
    steps: Sequence[UpstreamCall] = (),
    tracked: bool = True,
) -> None:
    """Release the key, so that the same request may be tried again, and say what became of it. A write whose effect is
    unknown stays pending until its record has been read again."""
    async with pool.acquire() as connection, connection.transaction():
        row = await connection.fetchrow(
            _FAIL,
            running.id,
            running.locked_until,
            failure.code,
            failure.sentence,
            msgspec.to_builtins(steps),
            failure.retry_after_seconds,
            stored_phrases(failure.sentence),
        )
        if row is not None and row["account_id"] and tracked:
            await _end(connection, row["account_id"], running.id, failure)


async def _end(connection: Connection, account_id: UUID, command_id: UUID, failure: RunFailure) -> None:
    if await connection.fetchval(_ACCEPTED, command_id):
        return
    if failure.effect == "unknown" and (await rechecks.recheck(connection, command_id))[0]:
        return
    if failure.effect == "refused" and await pending.reject(connection, command_id, failure.code, failure.sentence):
        return
    await pending.withdraw(connection, command_id)
    outcome: Outcome = "rejected" if failure.effect == "refused" else "given_up"
    await pending.note(connection, account_id, command_id, outcome)


async def give_up_lost(pool: asyncpg.Pool) -> int:
    """Fail the commands whose process died, and return their number. A write of theirs is rechecked by `rechecks`."""
    async with pool.acquire() as connection, connection.transaction():
        rows = await connection.fetch(_GIVE_UP, LOST_SECONDS, *UNKNOWN_STORED)
        for row in sorted(rows, key=lambda each: str(each["account_id"])):
            shown = await connection.fetchval("SELECT true FROM read_model.pending WHERE command_id = $1", row["id"])
            if row["account_id"] and not shown:
                await pending.note(connection, row["account_id"], row["id"], "given_up")
    return len(rows)


async def forget(pool: asyncpg.Pool, running: Running) -> None:
    """Delete the row: the answer holds a secret, and the key only prevented two concurrent runs."""
    await pool.execute(
        "DELETE FROM portal.commands WHERE id = $1 AND locked_until = $2", running.id, running.locked_until
    )


async def forget_old(pool: asyncpg.Pool) -> None:
    """Delete answers that are older than they are promised to be kept. A command that was queued may end long after it
    began; its end is kept as long."""
    await pool.execute(
        "DELETE FROM portal.commands WHERE "
        "CASE response_status WHEN 202 THEN greatest(created_at, finished_at) ELSE created_at END "
        "< now() - $1 * interval '1 hour' AND state <> 'queued' AND locked_until < now()",
        KEPT_HOURS,
    )
