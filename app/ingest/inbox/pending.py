"""Writes of commands that no read model shows yet: recorded before the upstream is called, gone with the commit that
shows them.

    queued  ──► pending    the upstream is back
    pending ──► gone (shown, unchanged)
       ├──────► rejected   a rule or the upstream refused it
       └──────► given_up   the change could not be applied, or nobody knows whether the write took effect

Every transition but the first raises the account's version and says in a notice how the command ended. A rejected or
given up write stays for a while, so that every open page of the customer learns of it.

Writes: read_model.pending; through `app.ingest.versions`, account versions and notices.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg
from msgspec import Struct

from app.db import Db
from app.ingest.versions import account_versions, notices
from app.ingest.versions.notices import Outcome
from app.words.sentence import stored_phrases

REJECTED_SHOWN_SECONDS = 900
GIVEN_UP_SHOWN_SECONDS = 86_400

_BEGIN = """
INSERT INTO read_model.pending (account_id, slice, item_id, command_id, command, value, recheck)
VALUES ($1, $2, $3, $4, $5, $6, $7)
"""
_QUEUE = """
INSERT INTO read_model.pending (account_id, slice, item_id, command_id, command, value, recheck, created_at, state)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 'queued')
"""
_IS_QUEUED = "SELECT true FROM read_model.pending WHERE command_id = $1 AND state = 'queued'"
_ACCEPT = """
INSERT INTO read_model.pending (account_id, slice, item_id, command_id, command, value, recheck, submission, summary,
                                document)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
"""
_APPLIED = """
UPDATE read_model.pending SET applied = true WHERE NOT applied AND submission IN (
    SELECT submission FROM ingest.inbox WHERE id = ANY($1::bigint[]))
"""
_CONFIRM = """
DELETE FROM read_model.pending p WHERE submission = ANY($1::bigint[])
AND NOT EXISTS (SELECT FROM ingest.inbox i WHERE i.submission = p.submission AND i.settled_at IS NULL)
RETURNING account_id, command_id, CASE
    WHEN EXISTS (SELECT FROM ingest.inbox i WHERE i.submission = p.submission AND i.outcome = 'discarded')
    THEN 'given_up' WHEN applied THEN 'shown' ELSE 'unchanged' END AS outcome
"""
_GIVE_UP = """
UPDATE read_model.pending SET state = 'given_up', ended_at = clock_timestamp()
WHERE submission = ANY($1::bigint[]) AND state = 'pending' RETURNING account_id, command_id
"""
_GIVE_UP_COMMAND = """
UPDATE read_model.pending SET state = 'given_up', ended_at = clock_timestamp(), reason_code = $2, reason = $3,
    reason_phrases = $4
WHERE command_id = $1 AND state IN ('queued', 'pending') RETURNING account_id, command_id
"""
_REJECT = """
UPDATE read_model.pending SET state = 'rejected', reason_code = $2, reason = $3, submission = NULL,
    reason_phrases = $4, ended_at = clock_timestamp()
WHERE command_id = $1 RETURNING account_id, command_id
"""
_FORGET = """
DELETE FROM read_model.pending WHERE ended_at < clock_timestamp() - interval '1 second' *
    CASE state WHEN 'rejected' THEN $1::int ELSE $2::int END
RETURNING account_id
"""
_LEFT = """
SELECT DISTINCT submission FROM read_model.pending p WHERE created_at < clock_timestamp() - interval '10 seconds'
AND submission IS NOT NULL
AND NOT EXISTS (SELECT FROM ingest.inbox i WHERE i.submission = p.submission AND i.settled_at IS NULL)
"""


class Pending(Struct, frozen=True, kw_only=True):
    """What a command writes.

    Attributes:
        slice: the read model that will show it.
        item_id: the item; empty where an account has one of the kind, and while a new one has no id.
        command: the command's name.
        value: what is written, in the words of the command's body.
        recheck: (source, object, record id) to read again when nobody knows whether the write took effect.
        summary: for a new item, complete JSON as its list shows it until the read model does; `document` in full.
    """

    account_id: UUID
    slice: str
    item_id: str
    command_id: UUID
    command: str
    value: Mapping[str, Any] = {}
    recheck: tuple[str, str, str] | None = None
    summary: bytes | None = None
    document: bytes | None = None


async def begin(pool: asyncpg.Pool, write: Pending) -> None:
    """Show the write as pending, in place of what earlier attempts on the same item left."""
    async with pool.acquire() as connection, connection.transaction():
        await connection.execute(
            "DELETE FROM read_model.pending WHERE command_id = $4 OR (account_id = $1 AND slice = $2 AND item_id = $3 "
            "AND command = $5 AND state NOT IN ('queued', 'pending'))",
            write.account_id,
            write.slice,
            write.item_id,
            write.command_id,
            write.command,
        )
        await connection.execute(_BEGIN, *_row(write))


async def queue(connection: Db, write: Pending, since: datetime) -> None:
    """Show the write as queued, in place of what an attempt at it has left. Every page of the account is told."""
    if await connection.fetchval(_IS_QUEUED, write.command_id):
        return
    await withdraw(connection, write.command_id)
    await connection.execute(_QUEUE, *_row(write), since)
    versions = await account_versions.hold(connection, {write.account_id}, {write.account_id})
    await notices.add(connection, {(write.account_id, notices.NOTHING, "")}, versions)


async def pend(connection: Db, pending: Sequence[Pending], submission: int) -> None:
    """Show these writes until everything submitted under the number is settled."""
    await connection.execute(
        "DELETE FROM read_model.pending WHERE command_id = ANY($1::uuid[])", [each.command_id for each in pending]
    )
    await connection.executemany(_ACCEPT, [(*_row(each), submission, each.summary, each.document) for each in pending])


async def withdraw(connection: Db, command_id: UUID) -> None:
    """Remove the write of a command that was not sent, or that no change has to show."""
    await connection.execute("DELETE FROM read_model.pending WHERE command_id = $1", command_id)


async def reject(connection: Db, command_id: UUID, code: str, reason: str) -> bool:
    """Show the write of a command as rejected, with the reason; false if the command has none."""
    found = await connection.fetch(_REJECT, command_id, code, reason, stored_phrases(reason))
    await _note(connection, {(row["account_id"], row["command_id"]): "rejected" for row in found})
    return bool(found)


async def give_up_command(connection: Db, command_id: UUID, code: str | None = None, reason: str | None = None) -> None:
    """Mark the write of a command whose effect cannot be looked up, or that was never sent for the reason given."""
    rows = await connection.fetch(_GIVE_UP_COMMAND, command_id, code, reason, stored_phrases(reason or ""))
    await _note(connection, {(row["account_id"], row["command_id"]): "given_up" for row in rows})


async def note(connection: Db, account_id: UUID, command_id: UUID, outcome: Outcome) -> None:
    """Say how a command ended of which no write is pending."""
    await _note(connection, {(account_id, command_id): outcome})


async def waiting(connection: Db, submissions: Collection[int]) -> list[UUID]:
    """Return the accounts with writes that these submissions show."""
    if not submissions:
        return []
    rows = await connection.fetch(
        "SELECT DISTINCT account_id FROM read_model.pending WHERE submission = ANY($1::bigint[])", list(submissions)
    )
    return [row["account_id"] for row in rows]


async def confirm(connection: Db, submissions: Sequence[int], applied: Sequence[int] = ()) -> None:
    """Remove the writes of submissions that are settled completely, and say how their commands ended.

    `applied`: entries that were just found to change the mirror.
    """
    if applied:
        await connection.execute(_APPLIED, list(applied))
    rows = await connection.fetch(_CONFIRM, submissions)
    await _note(connection, {(row["account_id"], row["command_id"]): row["outcome"] for row in rows})


async def give_up(connection: Db, submissions: Sequence[int]) -> None:
    """Mark the writes of submissions that cannot be applied before somebody decides."""
    rows = await connection.fetch(_GIVE_UP, list(submissions))
    await _note(connection, {(row["account_id"], row["command_id"]): "given_up" for row in rows})


async def forget_pending(pool: asyncpg.Pool) -> None:
    """Remove writes of settled submissions that remained, because two workers may each have left the last entry to the
    other; and those that ended long enough ago."""
    async with pool.acquire() as connection, connection.transaction():
        await confirm(connection, [row["submission"] for row in await connection.fetch(_LEFT)])
    async with pool.acquire() as connection, connection.transaction():
        rows = await connection.fetch(_FORGET, REJECTED_SHOWN_SECONDS, GIVEN_UP_SHOWN_SECONDS)
        accounts = {row["account_id"] for row in rows}
        if accounts:
            versions = await account_versions.hold(connection, accounts, accounts)
            await notices.add(connection, {(each, notices.NOTHING, "") for each in accounts}, versions)


async def _note(connection: Db, outcomes: Mapping[tuple[UUID, UUID], Outcome]) -> None:
    if outcomes:
        accounts = {account for account, _ in outcomes}
        versions = await account_versions.hold(connection, accounts, accounts)
        await notices.add_outcomes(connection, outcomes, versions)


def _row(write: Pending) -> tuple[Any, ...]:
    recheck = None if write.recheck is None else list(write.recheck)
    names = (write.account_id, write.slice, write.item_id, write.command_id, write.command)
    return *names, dict(write.value), recheck
