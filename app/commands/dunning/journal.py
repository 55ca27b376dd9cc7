"""The journal of dunning: one row an invoice, moved on by one process at a time, with what the customer is told.

A move and its steps commit together, so each step is told once. A row that another process has moved on meanwhile is
left to it.

Reads and writes: portal.dunning, portal.dunning_steps.
"""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any
from uuid import UUID

import asyncpg
from msgspec import Struct, structs

from app.commands.dunning.decide import JournalFacts, State
from app.db import Db, row, rows

COLUMNS = """whmcs_invoice_id, account_id, whmcs_client_id, state, attempts, max_attempts, next_attempt_at, suspend_on,
    suspended_at, last_decline_kind, last_decline_code, ended_reason, due_on, slot, next_step_at, grace_seen,
    grace_seen_on, methods_seen, methods_refused, subscription_ids, adopted_by, round, version, started_at, ended_at"""
_WRITTEN = (
    "account_id",
    "whmcs_client_id",
    "state",
    "attempts",
    "max_attempts",
    "next_attempt_at",
    "suspend_on",
    "suspended_at",
    "last_decline_kind",
    "last_decline_code",
    "ended_reason",
    "due_on",
    "slot",
    "next_step_at",
    "grace_seen",
    "grace_seen_on",
    "methods_seen",
    "methods_refused",
    "subscription_ids",
    "adopted_by",
    "round",
    "started_at",
    "ended_at",
)
_PARAMETERS = ", ".join(f"${number}" for number in range(4, 4 + len(_WRITTEN)))
_INSERT = f"""
INSERT INTO portal.dunning (whmcs_invoice_id, version, updated_at, {", ".join(_WRITTEN)})
VALUES ($1, $2 + 1, $3, {_PARAMETERS}) ON CONFLICT DO NOTHING RETURNING {COLUMNS}
"""
_MOVE = f"""
UPDATE portal.dunning SET version = version + 1, updated_at = $3, ({", ".join(_WRITTEN)}) = ({_PARAMETERS})
WHERE whmcs_invoice_id = $1 AND version = $2 RETURNING {COLUMNS}
"""
_STEP = """
INSERT INTO portal.dunning_steps (whmcs_invoice_id, account_id, round, step, number, at, detail)
SELECT $1, $2, $3, $4, coalesce($5, (
    SELECT count(*) FROM portal.dunning_steps WHERE (whmcs_invoice_id, round, step) = ($1, $3, $4)
)), $6, $7
ON CONFLICT DO NOTHING
"""


class DunningMovedOn(Exception):
    """Another process moved the invoice on; this attempt ends without effect."""


class DunningRow(Struct, frozen=True, kw_only=True):
    """One invoice in dunning, as `portal.dunning` has it."""

    whmcs_invoice_id: int
    account_id: str
    whmcs_client_id: int
    state: State
    attempts: int = 0
    max_attempts: int
    next_attempt_at: datetime | None = None
    suspend_on: date | None = None
    suspended_at: datetime | None = None
    last_decline_kind: str | None = None
    last_decline_code: str | None = None
    ended_reason: str | None = None
    due_on: date
    slot: int = 0
    next_step_at: datetime | None = None
    grace_seen: int = 0
    grace_seen_on: date | None = None
    methods_seen: list[str] = []
    methods_refused: list[str] = []
    subscription_ids: list[str] = []
    adopted_by: str | None = None
    round: int = 0
    version: int = 0
    started_at: datetime
    ended_at: datetime | None = None

    @property
    def invoice_id(self) -> str:
        """The invoice's id as WHMCS's other callers spell it."""
        return str(self.whmcs_invoice_id)

    @property
    def owner(self) -> UUID:
        """The account."""
        return UUID(self.account_id)

    @property
    def known(self) -> JournalFacts:
        """What decisions need of the row."""
        return JournalFacts(
            state=self.state,
            ended_reason=self.ended_reason,
            slot=self.slot,
            due_on=self.due_on,
            next_step_at=self.next_step_at,
            grace_seen=self.grace_seen,
            grace_seen_on=self.grace_seen_on,
            suspend_on=self.suspend_on,
            methods_seen=frozenset(self.methods_seen),
            methods_refused=frozenset(self.methods_refused),
        )


class Told(Struct, frozen=True):
    """A step that the customer is told. Without a number it is the next of its kind."""

    step: str
    number: int | None = None
    detail: dict[str, Any] = {}


async def one(db: Db, invoice_id: str) -> DunningRow | None:
    """Return the row of an invoice."""
    return await row(
        db, DunningRow, f"SELECT {COLUMNS} FROM portal.dunning WHERE whmcs_invoice_id = $1", int(invoice_id)
    )


async def all_open(db: Db, states: Sequence[State]) -> list[DunningRow]:
    """Return the open rows in these states, by invoice."""
    sql = f"SELECT {COLUMNS} FROM portal.dunning WHERE ended_at IS NULL AND state = ANY($1) ORDER BY whmcs_invoice_id"
    return await rows(db, DunningRow, sql, list(states))


async def store(
    pool: asyncpg.Pool, was: DunningRow | None, to: DunningRow, at: datetime, told: Sequence[Told] = ()
) -> DunningRow:
    """Store a move, or a new row, with what the customer is told of it.

    Raises:
        MovedOn: another process moved the invoice on; nothing was stored.
    """
    version = was.version if was else 0
    values = [getattr(to, name) for name in _WRITTEN]
    async with pool.acquire() as connection, connection.transaction():
        sql = _MOVE if was else _INSERT
        stored = await row(connection, DunningRow, sql, to.whmcs_invoice_id, version, at, *values)
        if stored is None:
            raise DunningMovedOn(to.invoice_id)
        for each in told:
            key = (stored.whmcs_invoice_id, stored.account_id, stored.round)
            await connection.execute(_STEP, *key, each.step, each.number, at, each.detail)
    return stored


async def tell(connection: Db, invoice_id: str, told: Told, at: datetime) -> None:
    """Record what the customer is told, in the caller's transaction."""
    found = await one(connection, invoice_id)
    if found is not None:
        key = (found.whmcs_invoice_id, found.account_id, found.round)
        await connection.execute(_STEP, *key, told.step, told.number, at, told.detail)


async def note_look(db: Db, invoice_id: str, at: datetime) -> None:
    """Note that the invoice was read from WHMCS, and nothing came of it."""
    await db.execute("UPDATE portal.dunning SET looked_at = $2 WHERE whmcs_invoice_id = $1", int(invoice_id), at)


def ended(of: DunningRow, state: State, reason: str, at: datetime) -> DunningRow:
    """Return the row after its end."""
    return structs.replace(
        of,
        state=state,
        ended_reason=reason,
        ended_at=at,
        next_attempt_at=None,
        next_step_at=None,
        suspend_on=None,
    )
