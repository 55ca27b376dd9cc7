"""The entries of the queue, as a worker takes them: in order, where two of an account need the same upstream.

`portal.commands` alone says whether a command is still queued: an entry whose command has ended is left over, and is
never run.

Reads: portal.users, id_mappings, erasures; read_model.profiles, upstreams. Reads and writes: portal.queued_commands,
portal.commands. Writes: through `pending`, read_model.pending and notices.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg
import msgspec
from msgspec import Struct

from app.commands.execution.context import Actor
from app.commands.execution.ledger import Running
from app.db import row, rows
from app.ingest.inbox import pending
from app.ingest.inbox.pending import Pending
from app.integrations.admission.call_log import UpstreamCall
from app.words.sentence import Sentence, stored_phrases

ATTEMPT_SECONDS = 60.0
"""An entry whose worker died is tried again after this time."""
MOST_STEPS = 20
"""Attempts of one entry whose calls are recorded."""

_WAITING = "portal.queued_commands q JOIN portal.commands c ON c.id = q.command_id AND c.state = 'queued'"
_DUE = """
(q.revoked OR q.expires_at <= clock_timestamp() OR q.next_attempt_at <= clock_timestamp()
 OR EXISTS (SELECT FROM read_model.upstreams u WHERE u.upstream = q.waits_for AND u.state = 'closed'
            AND u.since > coalesce(q.attempted_at, q.queued_at)))
AND NOT EXISTS (SELECT FROM portal.erasures e WHERE e.account_id = q.account_id)
AND NOT EXISTS (SELECT FROM portal.queued_commands b
                JOIN portal.commands o ON o.id = b.command_id AND o.state = 'queued'
                WHERE b.account_id = q.account_id AND b.sequence < q.sequence AND b.upstreams && q.upstreams)
"""
_ACCOUNTS = f"""
SELECT q.account_id FROM {_WAITING} WHERE {_DUE} GROUP BY q.account_id ORDER BY min(q.sequence) LIMIT $1
"""
_NEXT = f"""
SELECT q.command_id, q.name, q.account_id, q.user_id, q.session_id, q.request, q.command_key, q.address, q.request_id,
       q.attempts, q.repeated, q.revoked, q.queued_at, q.expires_at <= clock_timestamp() AS expired,
       c.locked_until, c.response_body AS answer, coalesce(r.role, '') AS role,
       coalesce(m.whmcs_client_id, '') AS whmcs_client_id,
       coalesce(m.salesforce_account_id, '') AS salesforce_account_id, coalesce(p.status, '') AS client_status
FROM {_WAITING}
LEFT JOIN portal.users r ON r.id = q.user_id
LEFT JOIN portal.id_mappings m ON m.user_id = q.user_id AND m.account_id = q.account_id
LEFT JOIN read_model.profiles p ON p.account_id = q.account_id
WHERE q.account_id = $1 AND {_DUE} ORDER BY q.sequence LIMIT 1
"""
_BEGIN = """
UPDATE portal.queued_commands SET attempts = attempts + 1, attempted_at = clock_timestamp(), repeated = true,
    next_attempt_at = clock_timestamp() + $2 * interval '1 second'
WHERE command_id = $1 AND NOT revoked RETURNING true
"""
_POSTPONE = """
UPDATE portal.queued_commands SET next_attempt_at = clock_timestamp() + $2 * interval '1 second', repeated = $3,
    waits_for = coalesce($4, waits_for)
WHERE command_id = $1 RETURNING next_attempt_at
"""
_NOTE = "UPDATE portal.commands SET retry_at = $2, steps = steps || $3 WHERE id = $1 AND state = 'queued'"
_FAIL = """
UPDATE portal.commands SET state = 'failed', finished_at = now(), error_code = $2, error = $3, error_phrases = $4,
    retry_at = NULL
WHERE id = $1 AND state = 'queued' RETURNING account_id
"""
_LEFT = """
DELETE FROM portal.queued_commands q
WHERE NOT EXISTS (SELECT FROM portal.commands c WHERE c.id = q.command_id AND c.state = 'queued')
"""


_LISTED = f"""
SELECT q.command_id, q.name AS command, q.account_id, q.waits_for, q.upstreams, q.attempts, q.revoked, q.queued_at,
       q.attempted_at, q.next_attempt_at, q.expires_at, c.steps -> -1 ->> 'error_code' AS last_error_code
FROM {_WAITING} WHERE ($1::uuid IS NULL OR q.account_id = $1) ORDER BY q.sequence LIMIT $2
"""


class ListedEntry(Struct, frozen=True, kw_only=True):
    """A command in the queue, as operators see it: without what the customer wrote."""

    command_id: UUID
    command: str
    account_id: UUID
    waits_for: str
    upstreams: list[str]
    attempts: int
    revoked: bool
    queued_at: datetime
    attempted_at: datetime | None
    next_attempt_at: datetime
    expires_at: datetime
    last_error_code: str | None


class QueueEntry(Struct, frozen=True, kw_only=True):
    """A command in the queue, its sender as the portal knows it now, and the state of the account.

    `repeated`: an earlier attempt may have taken effect.
    """

    command_id: UUID
    name: str
    account_id: UUID
    user_id: UUID
    session_id: UUID | None
    request: bytes
    command_key: str
    address: str
    request_id: str
    attempts: int
    repeated: bool
    revoked: bool
    queued_at: datetime
    expired: bool
    locked_until: datetime
    answer: bytes
    role: str
    whmcs_client_id: str
    salesforce_account_id: str
    client_status: str

    @property
    def running(self) -> Running:
        """The command as the ledger holds it."""
        return Running(self.command_id, self.locked_until)

    @property
    def actor(self) -> Actor:
        """The sender, with the upstreams' ids as they are now."""
        same = {name: getattr(self, name) for name in Actor.__struct_fields__ if hasattr(self, name)}
        return Actor(**same)


async def due_accounts(pool: asyncpg.Pool, most: int) -> list[UUID]:
    """Return accounts with something to run, the longest waiting first."""
    return [found["account_id"] for found in await pool.fetch(_ACCOUNTS, most)]


async def next_due(pool: asyncpg.Pool, account_id: UUID) -> QueueEntry | None:
    """Return the account's first entry that is due and waits for no earlier one."""
    return await row(pool, QueueEntry, _NEXT, account_id)


async def listed(pool: asyncpg.Pool, account_id: UUID | None = None, most: int = 100) -> list[ListedEntry]:
    """List what waits, in the order in which it was accepted."""
    return await rows(pool, ListedEntry, _LISTED, account_id, most)


async def begin(pool: asyncpg.Pool, entry: QueueEntry) -> bool:
    """Record that an attempt begins; false if it was revoked or removed meanwhile."""
    return bool(await pool.fetchval(_BEGIN, entry.command_id, ATTEMPT_SECONDS))


async def postpone(
    pool: asyncpg.Pool,
    entry: QueueEntry,
    write: Pending,
    *,
    seconds: float,
    repeated: bool,
    upstream: str | None,
    steps: Sequence[UpstreamCall],
) -> None:
    """Have an entry wait for its next attempt. `repeated`: this one or an earlier one may have taken effect."""
    async with pool.acquire() as connection, connection.transaction():
        at = await connection.fetchval(_POSTPONE, entry.command_id, seconds, repeated, upstream)
        if at is None:  # erased meanwhile
            return
        noted: Any = msgspec.to_builtins(steps) if entry.attempts < MOST_STEPS else []
        await connection.execute(_NOTE, entry.command_id, at, noted)
        await pending.queue(connection, write, entry.queued_at)


async def give_up(pool: asyncpg.Pool, entry: QueueEntry, code: str, sentence: Sentence) -> None:
    """End a command that waited for too long, visibly."""
    async with pool.acquire() as connection, connection.transaction():
        if await connection.fetchval(_FAIL, entry.command_id, code, sentence, stored_phrases(sentence)):
            await pending.give_up_command(connection, entry.command_id, code, sentence)
        await remove(connection, entry.command_id)


async def remove(connection: Any, command_id: UUID) -> None:
    """Remove the entry of a command that has ended."""
    await connection.execute("DELETE FROM portal.queued_commands WHERE command_id = $1", command_id)


async def clean(pool: asyncpg.Pool) -> None:
    """Remove entries whose command has ended and whose worker died before it removed them."""
    await pool.execute(_LEFT)
