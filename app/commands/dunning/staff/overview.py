"""Dunning as staff see it: a list, one invoice with every step, and counts.

Reads: portal.dunning, dunning_steps, dunning_holds, dunning_suspensions; read_model.invoices.
"""

from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Literal
from zoneinfo import ZoneInfo

import asyncpg
from msgspec import Struct

from app import clock
from app.commands.dunning.holding import covers
from app.commands.dunning.staff.holds import Hold, target_of_invoice
from app.db import only_row, row, rows
from app.settings import Settings

JournalState = Literal["trying", "grace", "suspended", "settled", "abandoned"]
STATES: tuple[JournalState, ...] = ("trying", "grace", "suspended", "settled", "abandoned")
MOST = 1_000
STUCK = "interval '2 hours'"
"""An open invoice whose next step is this late is stuck."""
UNRESTORED = "interval '10 minutes'"
"""A service that is still suspended this long after its invoice was settled is stuck too."""

_HOLD = f"""
SELECT h.until, h.reason FROM portal.dunning_holds h
WHERE {covers(account="d.account_id", invoice="d.whmcs_invoice_id", today="$1")}
ORDER BY h.until DESC NULLS FIRST LIMIT 1
"""
_SELECT = f"""
SELECT d.whmcs_invoice_id, d.account_id, d.whmcs_client_id, d.state, d.slot, d.attempts, d.max_attempts,
       d.next_attempt_at, d.suspend_on, d.suspended_at, d.last_decline_kind, d.last_decline_code, d.ended_reason,
       d.due_on, d.subscription_ids, d.started_at, d.updated_at, d.ended_at, i.balance, i.currency,
       h.reason AS hold_reason, h.until AS hold_until
FROM portal.dunning d
LEFT JOIN read_model.invoices i ON i.invoice_id = d.whmcs_invoice_id::text AND i.account_id::text = d.account_id
LEFT JOIN LATERAL ({_HOLD}) AS h ON d.ended_at IS NULL
"""
_LISTED = f"""
{_SELECT} WHERE CASE WHEN $2::text IS NULL THEN d.ended_at IS NULL ELSE d.state = $2 END
ORDER BY CASE WHEN d.ended_at IS NULL THEN coalesce(d.suspend_on, 'infinity'::date) END, d.updated_at DESC,
         d.whmcs_invoice_id LIMIT $3
"""
_STEPS = """
SELECT at, round, step, number, detail FROM portal.dunning_steps WHERE whmcs_invoice_id = $1 ORDER BY id LIMIT 500
"""
_HOLDS = """
SELECT id AS hold_id, account_id, whmcs_invoice_id, reason, until, placed_by, placed_at, lifted_by, lifted_at
FROM portal.dunning_holds WHERE whmcs_invoice_id = $1 OR (whmcs_invoice_id IS NULL AND account_id = $2)
ORDER BY placed_at DESC, id DESC LIMIT 100
"""
_SUSPENSIONS = """
SELECT subscription_id, begun_at, suspended_at, ended_at, outcome FROM portal.dunning_suspensions
WHERE whmcs_invoice_id = $1 ORDER BY begun_at, subscription_id LIMIT 500
"""
_COUNTS = f"""
SELECT count(*) FILTER (WHERE d.state = 'trying') AS trying, count(*) FILTER (WHERE d.state = 'grace') AS grace,
       count(*) FILTER (WHERE d.state = 'suspended') AS suspended, count(*) FILTER (WHERE h.held) AS held,
       count(*) FILTER (WHERE d.state <> 'suspended' AND h.held IS NULL AND d.suspend_on < $1) AS late,
       count(*) FILTER (WHERE d.next_step_at < now() - {STUCK}) AS stuck,
       (SELECT count(*) FROM portal.dunning_suspensions s JOIN portal.dunning p USING (whmcs_invoice_id)
        WHERE s.ended_at IS NULL AND p.ended_at < now() - {UNRESTORED}) AS unrestored
FROM portal.dunning d LEFT JOIN LATERAL (SELECT true AS held FROM ({_HOLD}) AS found) AS h ON true
WHERE d.ended_at IS NULL
"""


class DunnedInvoice(Struct, frozen=True, kw_only=True):
    """An invoice in dunning. `balance` is what the read models know; `slot` the planned attempts that have passed,
    `attempts` those that were made."""

    whmcs_invoice_id: int
    account_id: str
    whmcs_client_id: int
    state: JournalState
    """The state of the dunning."""
    slot: int
    """The planned attempts that have passed."""
    attempts: int
    max_attempts: int
    next_attempt_at: datetime | None
    suspend_on: date | None
    suspended_at: datetime | None
    last_decline_kind: str | None
    """The kind of the last refusal; null without one."""
    last_decline_code: str | None
    """The code of the last refusal; null without one."""
    ended_reason: str | None
    """Why the dunning ended; null while it goes on."""
    due_on: date
    subscription_ids: list[str]
    started_at: datetime
    updated_at: datetime
    ended_at: datetime | None
    balance: Decimal | None
    currency: str | None
    hold_reason: str | None
    """Why it is on hold; null if it is not."""
    hold_until: date | None
    """The last day of the hold; null without one."""


class JournalStep(Struct, frozen=True, kw_only=True):
    """A step as it was recorded and told."""

    at: datetime
    round: int
    """The planned attempt that it belongs to."""
    step: str
    number: int
    """The number of the try."""
    detail: dict[str, Any]


class DunningSuspension(Struct, frozen=True, kw_only=True):
    """A service that was suspended for the invoice. `outcome`: restored, or left as staff had changed it meanwhile."""

    subscription_id: str
    begun_at: datetime
    """When the suspension began."""
    suspended_at: datetime | None
    ended_at: datetime | None
    outcome: str | None


class DunningStory(Struct, frozen=True, kw_only=True):
    """Everything about the dunning of an invoice. `dunning` is null while none has begun, and holds may be in place."""

    dunning: DunnedInvoice | None
    steps: list[JournalStep]
    """Every step, the oldest first."""
    holds: list[Hold]
    """The holds, lifted ones included."""
    suspensions: list[DunningSuspension]
    """The suspended services."""


class DunningCounts(Struct, frozen=True, kw_only=True):
    """Open invoices by state, and what needs a look: `late` past their day of suspension, `stuck` without progress,
    `unrestored` services that are suspended although their invoice is settled."""

    trying: int
    """Invoices that are charged again."""
    grace: int
    """Invoices that wait for the day of suspension."""
    suspended: int
    """Invoices with suspended services."""
    held: int
    """Invoices on hold."""
    late: int
    """Invoices past their day of suspension."""
    stuck: int
    """Invoices without progress."""
    unrestored: int
    """Services that are suspended although nothing is owed."""


async def listed(pool: asyncpg.Pool, settings: Settings, state: JournalState | None, limit: int) -> list[DunnedInvoice]:
    """List open invoices, those that are suspended first in front; with a state, those in it."""
    return await rows(pool, DunnedInvoice, _LISTED, _today(settings), state, limit)


async def one(pool: asyncpg.Pool, settings: Settings, invoice_id: int) -> DunningStory:
    """Return everything about an invoice.

    Raises:
        NotFound: `invoice_not_found`.
    """
    target = await target_of_invoice(pool, invoice_id)
    found = await row(pool, DunnedInvoice, f"{_SELECT} WHERE d.whmcs_invoice_id = $2", _today(settings), invoice_id)
    return DunningStory(
        dunning=found,
        steps=await rows(pool, JournalStep, _STEPS, invoice_id),
        holds=await rows(pool, Hold, _HOLDS, invoice_id, target.account_id),
        suspensions=await rows(pool, DunningSuspension, _SUSPENSIONS, invoice_id),
    )


async def counts(pool: asyncpg.Pool, settings: Settings) -> DunningCounts:
    """Count the open invoices."""
    found = await only_row(pool, _COUNTS, _today(settings))
    return DunningCounts(**dict(found))


def concerns(counted: DunningCounts) -> list[str]:
    """Say in sentences what needs a look."""
    said: Mapping[str, int] = {
        f"{counted.late:,} invoices are past their day of suspension.": counted.late,
        f"{counted.stuck:,} invoices have waited for their next step for more than two hours.": counted.stuck,
        f"{counted.unrestored:,} services are suspended although their invoice is settled.": counted.unrestored,
    }
    return [sentence for sentence, count in said.items() if count]


def _today(settings: Settings) -> date:
    return clock.now().astimezone(ZoneInfo(settings.whmcs_time_zone)).date()
