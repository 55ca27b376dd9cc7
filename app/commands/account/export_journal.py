"""The journal of exports: taken by a worker, kept until they expire, downloaded by whoever asked for them.

Reads and writes: portal.account_exports. Writes: portal.mails, portal.audit; through `app.ingest.versions`, account
versions and notices.
"""

from collections.abc import Awaitable, Callable
from uuid import UUID

import asyncpg
import structlog
from msgspec import Struct

from app.audit import AuditEntry, append
from app.commands import mail_outbox
from app.commands.account.request_export import KEPT_HOURS
from app.commands.execution.context import Actor
from app.db import is_outage, row
from app.errors import NotFound
from app.ingest.versions import account_versions, notices
from app.words.sentence import say

MOST_ATTEMPTS = 5
TAKEN_SECONDS = 600
"""How long an export is reserved for the worker that makes it; later failures wait as long."""
MOST_AT_ONCE = 5
_TAKE = """
UPDATE portal.account_exports SET attempts = attempts + 1, next_attempt_at = now() + $1 * interval '1 second'
WHERE account_id = (SELECT account_id FROM portal.account_exports WHERE state = 'waiting' AND next_attempt_at <= now()
                    ORDER BY next_attempt_at LIMIT 1 FOR UPDATE SKIP LOCKED)
RETURNING export_id, account_id, user_id, attempts
"""
_KEEP = """
UPDATE portal.account_exports SET state = 'ready', ready_at = now(), expires_at = now() + $3 * interval '1 hour',
    archive = $2::bytea, size_bytes = length($2::bytea)
WHERE export_id = $1 AND state = 'waiting' RETURNING account_id
"""
_GIVE_UP = """
UPDATE portal.account_exports SET state = 'failed', expires_at = now() + $2 * interval '1 hour'
WHERE export_id = $1 AND state = 'waiting' RETURNING account_id
"""
_ARCHIVE = """
SELECT archive FROM portal.account_exports
WHERE export_id = $1 AND account_id = $2 AND user_id = $3 AND state = 'ready' AND expires_at > now()
"""

log = structlog.get_logger()


class TakenExport(Struct, frozen=True):
    """An export that this worker makes."""

    export_id: UUID
    account_id: UUID
    user_id: UUID
    attempts: int


Make = Callable[[TakenExport], Awaitable[bytes]]
"""Makes the archive of an account."""


async def make_due(pool: asyncpg.Pool, make: Make) -> int:
    """Make the exports that were asked for; return their number. One that fails is tried again, a few times."""
    for number in range(MOST_AT_ONCE):
        taken = await row(pool, TakenExport, _TAKE, TAKEN_SECONDS)
        if taken is None:
            return number
        try:
            await _keep(pool, taken, await make(taken))
        except Exception as error:  # one that fails must not stop the others
            if is_outage(error):
                raise
            log.exception("export_failed", export=str(taken.export_id), attempts=taken.attempts)
            if taken.attempts >= MOST_ATTEMPTS:
                await _end(pool, taken, _GIVE_UP, KEPT_HOURS, outcome="failed")
    return MOST_AT_ONCE


async def _keep(pool: asyncpg.Pool, taken: TakenExport, archive: bytes) -> None:
    await _end(pool, taken, _KEEP, archive, KEPT_HOURS, outcome="done")


async def _end(pool: asyncpg.Pool, taken: TakenExport, statement: str, *values: object, outcome: str) -> None:
    """Record the end, tell the customer, and audit it, in one transaction. An account erased meanwhile has no row."""
    async with pool.acquire() as connection, connection.transaction():
        if not await connection.fetchval(statement, taken.export_id, *values):
            return
        if outcome == "done":
            await mail_outbox.enqueue_for_user(connection, "export_ready", taken.user_id, about=taken.account_id)
        entry = AuditEntry(
            action="make_export",
            outcome=outcome,
            user_id=taken.user_id,
            account_id=taken.account_id,
            target=str(taken.export_id),
        )
        await append(connection, entry)
        versions = await account_versions.hold(connection, {taken.account_id}, {taken.account_id})
        await notices.add(connection, {(taken.account_id, notices.EXPORTS, str(taken.export_id))}, versions)


async def download(pool: asyncpg.Pool, actor: Actor, export_id: UUID) -> bytes:
    """Return the archive to the user who asked for it, and audit that.

    Raises:
        NotFound: `export_not_found`: absent, another's, not ready or expired.
    """
    archive: bytes | None = await pool.fetchval(_ARCHIVE, export_id, actor.account_id_or_refuse(), actor.user_id)
    if archive is None:
        raise NotFound(say("account.export_absent"), code="export_not_found")
    entry = AuditEntry(
        action="download_export",
        outcome="ok",
        user_id=actor.user_id,
        account_id=actor.account_id,
        target=str(export_id),
        request_id=actor.request_id,
        address=actor.address,
    )
    await append(pool, entry)
    return archive


async def forget_expired(pool: asyncpg.Pool) -> None:
    """Delete the exports whose time has passed."""
    await pool.execute("DELETE FROM portal.account_exports WHERE expires_at <= now()")
