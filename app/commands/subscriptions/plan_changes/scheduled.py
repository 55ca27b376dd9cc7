"""Scheduled changes of plan: one row per change, carried out on its day.

    waiting ──► done         WHMCS accepted it; the journal of changes of plan follows it from there
       ├──► refused          it could not be made on its day, and the customer was notified
       └──► cancelled        by the customer, by a later change, or because the service ends

Every transition goes to the inbox in the same transaction, so that the read models agree.

Reads and writes: portal.scheduled_changes. Writes: ingest.inbox, portal.mails.
"""

from datetime import date, datetime
from decimal import Decimal
from typing import Literal
from uuid import UUID, uuid4

import asyncpg
from msgspec import Struct, structs

from app.commands import mail_outbox
from app.commands.execution.context import Context
from app.commands.subscriptions.plan_changes.journal import digest
from app.commands.subscriptions.service import Service
from app.db import Db, row, rows
from app.events import Change
from app.ingest.inbox import inbox
from app.ingest.inbox.pending import Pending, pend
from app.readmodels.plans import Direction, Plan

ScheduleState = Literal["waiting", "done", "refused", "cancelled"]
BY_CUSTOMER = "by_customer"
MAILS: dict[ScheduleState, mail_outbox.MailKind] = {
    "done": "scheduled_change_made",
    "refused": "scheduled_change_refused",
}

COLUMNS = (
    "schedule_id, account_id, subscription_id, whmcs_client_id, present_name, sku, product_name, direction, monthly, "
    "currency, billing_cycle, "
    "effective_date, due_at, state, invoice_id, attempts, error_code, error_message, reason, version, created_at, "
    "ended_at"
)
_VERSION = "(extract(epoch FROM clock_timestamp()) * 1000)::bigint"
_INSERT = f"""
INSERT INTO portal.scheduled_changes (schedule_id, account_id, subscription_id, whmcs_client_id, command_digest,
    present_name, sku, product_name, direction, monthly, currency, billing_cycle, effective_date, due_at,
    next_attempt_at, version)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $14, {_VERSION}) RETURNING {COLUMNS}
"""
_END = f"""
UPDATE portal.scheduled_changes SET state = $2, error_code = $3, error_message = $4, reason = $5, invoice_id = $6,
    ended_at = now(), version = greatest(version + 1, {_VERSION})
WHERE schedule_id = $1 AND state = 'waiting' RETURNING {COLUMNS}
"""
_CLAIM = f"""
UPDATE portal.scheduled_changes SET attempts = attempts + 1, next_attempt_at = now() + $1 * interval '1 second'
WHERE schedule_id = (SELECT schedule_id FROM portal.scheduled_changes WHERE state = 'waiting' AND
    next_attempt_at <= now() ORDER BY next_attempt_at LIMIT 1 FOR UPDATE SKIP LOCKED)
RETURNING {COLUMNS}
"""
_USER = "SELECT user_id FROM portal.id_mappings WHERE account_id = $1"


class ScheduledPlanChange(Struct, frozen=True, kw_only=True):
    """A future-dated change. `present_name` is the plan that the service had, `monthly` the price of the new one per
    `billing_cycle` when it was chosen; changes of former releases have no cycle. `reason` is for the customer,
    `error_message` for staff."""

    schedule_id: UUID
    """The id of the scheduled change."""
    account_id: UUID
    subscription_id: str
    whmcs_client_id: str
    present_name: str
    """The plan that the service had."""
    sku: str
    product_name: str
    direction: Direction
    monthly: Decimal
    currency: str | None
    billing_cycle: str | None
    effective_date: date
    due_at: datetime
    state: ScheduleState
    """The state of the change."""
    invoice_id: str | None
    attempts: int
    error_code: str | None
    error_message: str | None
    reason: str | None
    version: int
    created_at: datetime
    ended_at: datetime | None


class Ending(Struct, frozen=True, kw_only=True):
    """The end of a scheduled change: `error_code` and `error_message` explain it to staff, `reason` to the customer.
    The code of a cancelled one says who or what cancelled it."""

    state: ScheduleState
    error_code: str | None = None
    error_message: str | None = None
    reason: str | None = None
    invoice_id: str | None = None


async def waiting_of(db: Db, subscription_id: str) -> ScheduledPlanChange | None:
    """Return the change that is scheduled for a service."""
    return await _one(db, "subscription_id = $1 AND state = 'waiting'", subscription_id)


async def latest_of(pool: asyncpg.Pool, subscription_id: str) -> ScheduledPlanChange | None:
    """Return the change that was scheduled last for a service, in any state."""
    return await _one(pool, "subscription_id = $1", subscription_id)


async def of_command(pool: asyncpg.Pool, subscription_id: str, command_key: str) -> ScheduledPlanChange | None:
    """Return the change that this command scheduled."""
    where = "subscription_id = $1 AND command_digest = $2 AND $2 <> ''"
    return await _one(pool, where, subscription_id, digest(command_key))


async def replace(
    ctx: Context,
    service: Service,
    plan: Plan,
    direction: Direction,
    day: tuple[date, datetime],
    command_key: str,
    write: Pending | None = None,
) -> tuple[ScheduledPlanChange, int | None]:
    """Store a change for a day and the instant it begins, in place of an earlier one; returns it with the submission
    that makes it show, until when `write` is pending. The caller holds the service's lock."""
    async with ctx.pool.acquire() as connection, connection.transaction():
        former = await waiting_of(connection, service.subscription_id)
        ending = Ending(state="cancelled", error_code="replaced")
        ended = (
            await row(connection, ScheduledPlanChange, _END, former.schedule_id, *structs.astuple(ending))
            if former
            else None
        )
        (made,) = await rows(
            connection,
            ScheduledPlanChange,
            _INSERT,
            uuid4(),
            service.account_id,
            service.subscription_id,
            service.whmcs_client_id,
            digest(command_key),
            service.name,
            plan.sku,
            plan.name,
            direction,
            plan.price,
            plan.currency,
            plan.billing_cycle,
            *day,
        )
        changes = [_change(each) for each in (ended, made) if each]
        submission, woken = await inbox.append(connection, changes)
        await pend(connection, [write] if write else [], submission)
    await ctx.inbox.wake(woken)
    return made, submission


async def end(ctx: Context, schedule: ScheduledPlanChange, ending: Ending, write: Pending | None = None) -> int | None:
    """End a waiting change and notify the customer; do nothing if it has ended. Returns the submission that makes it
    show, until when `write` is pending."""
    async with ctx.pool.acquire() as connection, connection.transaction():
        ended = await row(connection, ScheduledPlanChange, _END, schedule.schedule_id, *structs.astuple(ending))
        if ended is None:
            return None
        submission, woken = await inbox.append(connection, [_change(ended)])
        await pend(connection, [write] if write else [], submission)
        if kind := MAILS.get(ending.state):
            user_id = await connection.fetchval(_USER, schedule.account_id)
            await mail_outbox.enqueue_for_user(connection, kind, user_id, about=schedule.schedule_id)
    await ctx.inbox.wake(woken)
    return submission


async def claim(pool: asyncpg.Pool, lease_seconds: float) -> ScheduledPlanChange | None:
    """Claim a change that is due, exclusively until the lease expires; counts the attempt."""
    return await row(pool, ScheduledPlanChange, _CLAIM, lease_seconds)


async def postpone(pool: asyncpg.Pool, schedule: ScheduledPlanChange, seconds: float, error: tuple[str, str]) -> None:
    """Postpone the next attempt by so many seconds."""
    await pool.execute(
        "UPDATE portal.scheduled_changes SET next_attempt_at = now() + $2 * interval '1 second', error_code = $3, "
        "error_message = $4 WHERE schedule_id = $1 AND state = 'waiting'",
        schedule.schedule_id,
        seconds,
        *error,
    )


def _change(schedule: ScheduledPlanChange) -> Change:
    """Return the change as the mirror keeps it, under its service. The row's own version only grows."""
    at = schedule.ended_at or schedule.created_at
    return Change.whole(
        "whmcs",
        "scheduled_change",
        str(schedule.schedule_id),
        {
            "present_name": schedule.present_name,
            "sku": schedule.sku,
            "product_name": schedule.product_name,
            "direction": schedule.direction,
            "effective_date": schedule.effective_date.isoformat(),
            "status": schedule.state,
            "code": schedule.error_code,
            "reason": schedule.reason,
            "invoice_id": schedule.invoice_id,
            "created_at": schedule.created_at.isoformat(),
            "ended_at": schedule.ended_at.isoformat() if schedule.ended_at else None,
        },
        event_id=f"scheduled_change:{schedule.schedule_id}:{schedule.version}",
        version=schedule.version,
        occurred_at=at,
        origin="command",
        owner_id=schedule.whmcs_client_id,
        parent_id=schedule.subscription_id,
        read_at=at,
    )


async def _one(db: Db, where: str, *values: object) -> ScheduledPlanChange | None:
    return await row(
        db,
        ScheduledPlanChange,
        f"SELECT {COLUMNS} FROM portal.scheduled_changes WHERE {where} ORDER BY created_at DESC LIMIT 1",
        *values,
    )
