"""Dead letters: entries that kept failing, and the records parked behind them. Decisions about them: `resolve`.

Personal data in the entry, its error and its stack is masked. Revealing it is audited.

Reads: ingest.dead_letters, ingest.inbox, mirror.records, read_model.parked. Writes: portal.audit.
"""

from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg
import msgspec
from msgspec import Struct

from app.audit import Operator, audit
from app.db import row, rows
from app.errors import NotFound
from app.ingest.privacy.mask import masked, masked_text

MOST = 500

_SELECT = """
SELECT d.id, d.entry_id, d.source, d.object, d.record_id, d.error, d.stack, d.attempts, d.parked_at, d.resolution,
       d.resolved_at, i.kind, i.origin, i.version, i.occurred_at, i.received_at, i.data, r.data AS mirrored,
       (SELECT count(*) FROM ingest.inbox w
        WHERE w.settled_at IS NULL AND (w.source, w.object, w.record_id) = (d.source, d.object, d.record_id)
          AND w.id > d.entry_id) AS waiting
FROM ingest.dead_letters d LEFT JOIN ingest.inbox i ON i.id = d.entry_id
LEFT JOIN mirror.records r ON (r.source, r.object, r.record_id) = (d.source, d.object, d.record_id)
"""


class DeadLetter(Struct, frozen=True, kw_only=True):
    """A parked entry. Columns of the inbox are None once retention deleted the entry after its resolution.

    Attributes:
        data: content of the entry; `mirrored` is the record as it was last applied, if ever.
        waiting: later entries of the same record that cannot be applied before it.
    """

    id: int
    """The id of the dead letter."""
    entry_id: int
    source: str
    object: str
    record_id: str
    error: str
    stack: str
    """Where the error was raised."""
    attempts: int
    parked_at: datetime
    resolution: str | None
    resolved_at: datetime | None
    kind: str | None
    origin: str | None
    version: int | None
    occurred_at: datetime | None
    received_at: datetime | None
    data: Any
    """The change as it was received, personal data hidden."""
    mirrored: Any
    """The mirrored record, personal data hidden; null without one."""
    waiting: int


class ParkedAccount(Struct, frozen=True):
    """An account with parked records: its answers are as of `since` at best."""

    account_id: UUID
    since: datetime
    records: int


async def listed(pool: asyncpg.Pool, *, resolved: bool = False, limit: int = 100) -> list[DeadLetter]:
    """List open dead letters, oldest first, or resolved ones, newest first; at most 500, personal data masked."""
    where = (
        "WHERE d.resolved_at IS NOT NULL ORDER BY d.resolved_at DESC, d.id"
        if resolved
        else "WHERE d.resolved_at IS NULL ORDER BY d.id"
    )
    return [_hidden(each) for each in await rows(pool, DeadLetter, f"{_SELECT} {where} LIMIT $1", min(limit, MOST))]


async def one(pool: asyncpg.Pool, letter_id: int, operator: Operator, *, reveal: bool = False) -> DeadLetter:
    """Return one dead letter in full. Revealing personal data (`reveal`) is audited.

    Raises:
        NotFound: there is none with this id.
    """
    letter = await row(pool, DeadLetter, f"{_SELECT} WHERE d.id = $1", letter_id)
    if letter is None:
        raise NotFound(f"There is no dead letter {letter_id}. `portal dead-letters` lists them.", code="no_dead_letter")
    if not reveal:
        return _hidden(letter)
    await audit(pool, operator, "dead_letter.reveal", [f"dead_letter:{letter.id}"])
    return letter


async def open_ids(pool: asyncpg.Pool) -> list[int]:
    """Return the ids of all unresolved letters."""
    return [each["id"] for each in await pool.fetch("SELECT id FROM ingest.dead_letters WHERE resolved_at IS NULL")]


async def parked_accounts(pool: asyncpg.Pool) -> list[ParkedAccount]:
    """List the accounts whose answers are outdated because of a dead letter, longest first."""
    return await rows(
        pool,
        ParkedAccount,
        "SELECT account_id, min(parked_at) AS since, count(DISTINCT (source, object, record_id)) AS records "
        "FROM read_model.parked GROUP BY account_id ORDER BY since",
    )


def _hidden(letter: DeadLetter) -> DeadLetter:
    known = [letter.data, letter.mirrored]
    if letter.data is None:  # deleted by retention: personal values in the error can no longer be recognised
        return msgspec.structs.replace(letter, error=letter.error.partition("(")[0], stack="", mirrored=None)
    return msgspec.structs.replace(
        letter,
        error=masked_text(letter.error, known),
        stack=masked_text(letter.stack, known),
        data=masked(letter.data),
        mirrored=masked(letter.mirrored),
    )
