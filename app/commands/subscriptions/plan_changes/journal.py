"""The journal of changes of plan: one row per change, written before WHMCS is called, because two calls may bill twice.

    asked ──► awaiting_payment ──► providing ──► done
      └──────────────┴──► withdrawn        └──► failed, staff must act

Reads and writes: portal.plan_changes. Reads: read_model.upstreams.
"""

import hashlib
from datetime import datetime
from decimal import Decimal
from typing import Any, Literal
from uuid import UUID, uuid4

import asyncpg
from msgspec import Struct

from app.commands.subscriptions.service import Service
from app.db import row, rows
from app.errors import Conflict, NotFound
from app.readmodels.plans import Plan

PlanChangeState = Literal["asked", "awaiting_payment", "providing", "done", "withdrawn", "failed"]
OPEN: tuple[PlanChangeState, ...] = ("asked", "awaiting_payment", "providing")
_COLUMNS = (
    "change_id, account_id, subscription_id, whmcs_client_id, category, sku, product_id, product_name, plan_code, "
    "agreed_amount, currency, billing_cycle, state, whmcs_order_id, invoice_id, attempts, error_code, error_message, "
    "created_at, updated_at"
)


class PlanChange(Struct, frozen=True, kw_only=True):
    """A change of plan as journaled. `agreed_amount` is the price per period that the customer was shown, in
    `currency`; changes of former releases have none."""

    change_id: UUID
    account_id: UUID
    subscription_id: str
    whmcs_client_id: str
    category: str
    sku: str
    product_id: str
    """WHMCS's id of the product."""
    product_name: str
    plan_code: str
    """The plan's code at the provider."""
    agreed_amount: Decimal | None
    """The price per period that the customer agreed to; null for changes of former releases."""
    currency: str | None
    billing_cycle: str | None
    state: PlanChangeState
    """The state of the change."""
    whmcs_order_id: str | None
    """WHMCS's id of the upgrade; null before it is made."""
    invoice_id: str | None
    attempts: int
    error_code: str | None
    error_message: str | None
    created_at: datetime
    updated_at: datetime


async def open_of(pool: asyncpg.Pool, subscription_id: str) -> PlanChange | None:
    """Return the change of a service that is in progress."""
    return await _one(pool, "subscription_id = $1 AND state = ANY($2::text[])", subscription_id, list(OPEN))


async def of_command(pool: asyncpg.Pool, subscription_id: str, command_key: str) -> PlanChange | None:
    """Return the change that this command made, unless it was withdrawn."""
    where = "subscription_id = $1 AND command_digest = $2 AND $2 <> '' AND state <> 'withdrawn'"
    return await _one(pool, where, subscription_id, digest(command_key))


async def taken_for(pool: asyncpg.Pool, subscription_id: str, command_key: str) -> PlanChange | None:
    """Return the change that WHMCS accepted for this command, even if its invoice was cancelled since."""
    where = (
        "subscription_id = $1 AND command_digest = $2 AND $2 <> '' AND "
        "(state NOT IN ('asked', 'withdrawn') OR whmcs_order_id IS NOT NULL OR invoice_id IS NOT NULL)"
    )
    return await _one(pool, where, subscription_id, digest(command_key))


async def begin(pool: asyncpg.Pool, service: Service, plan: Plan, command_key: str) -> PlanChange:
    """Record that WHMCS is about to be called. The caller holds the service's lock."""
    (begun,) = await rows(
        pool,
        PlanChange,
        "INSERT INTO portal.plan_changes (change_id, account_id, subscription_id, whmcs_client_id, command_digest, "
        "category, sku, product_id, product_name, plan_code, agreed_amount, currency, billing_cycle, state) "
        f"VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, 'asked') RETURNING {_COLUMNS}",
        uuid4(),
        service.account_id,
        service.subscription_id,
        service.whmcs_client_id,
        digest(command_key),
        service.category,
        plan.sku,
        plan.product_id,
        plan.name,
        plan.plan_code,
        plan.price,
        plan.currency,
        plan.billing_cycle,
    )
    return begun


async def move(
    pool: asyncpg.Pool,
    change: PlanChange,
    state: PlanChangeState,
    *,
    seconds: float = 0.0,
    error: tuple[str, str] | None = None,
    **ids: str | None,
) -> PlanChange:
    """Move a change to a state, or keep it there for `seconds`; `ids` are whmcs_order_id and invoice_id."""
    code, message = error or (None, None)
    (moved,) = await rows(
        pool,
        PlanChange,
        "UPDATE portal.plan_changes SET state = $2, next_attempt_at = now() + $3 * interval '1 second', "
        "attempts = CASE WHEN state = $2 THEN attempts + 1 ELSE 0 END, error_code = $4, error_message = $5, "
        "whmcs_order_id = coalesce($6, whmcs_order_id), invoice_id = coalesce($7, invoice_id), updated_at = now() "
        f"WHERE change_id = $1 RETURNING {_COLUMNS}",
        change.change_id,
        state,
        seconds,
        code,
        message,
        ids.get("whmcs_order_id"),
        ids.get("invoice_id"),
    )
    return moved


async def of_service(pool: asyncpg.Pool, subscription_id: str) -> list[PlanChange]:
    """Return every change of a service, newest first."""
    return await rows(
        pool,
        PlanChange,
        f"SELECT {_COLUMNS} FROM portal.plan_changes WHERE subscription_id = $1 ORDER BY created_at DESC LIMIT 100",
        subscription_id,
    )


async def retry(pool: asyncpg.Pool, change_id: UUID) -> PlanChange:
    """Schedule a failed change for another try, with its attempts reset.

    Raises:
        NotFound: `no_plan_change`.
        Conflict: `plan_change_not_failed`.
    """
    change = await _one(pool, "change_id = $1", change_id)
    if change is None:
        raise NotFound("There is no such change of plan.", code="no_plan_change")
    if change.state != "failed":
        raise Conflict("This change of plan did not fail, so there is nothing to retry.", code="plan_change_not_failed")
    if await open_of(pool, change.subscription_id):
        raise Conflict("The service has a later change of plan.", code="plan_change_not_failed")
    return await move(pool, change, "providing")


async def counts(pool: asyncpg.Pool) -> dict[PlanChangeState, int]:
    """Count the changes that are in progress or failed, by state."""
    found = await pool.fetch(
        "SELECT state, count(*) AS count FROM portal.plan_changes WHERE state = ANY($1::text[]) GROUP BY 1",
        [*OPEN, "failed"],
    )
    return dict.fromkeys((*OPEN, "failed"), 0) | {each["state"]: each["count"] for each in found}


async def listed(pool: asyncpg.Pool, limit: int) -> list[PlanChange]:
    """Return the changes in progress and those that failed, oldest first."""
    return await rows(
        pool,
        PlanChange,
        f"SELECT {_COLUMNS} FROM portal.plan_changes WHERE state = ANY($1::text[]) ORDER BY created_at LIMIT $2",
        [*OPEN, "failed"],
        limit,
    )


async def resume_after_outages(pool: asyncpg.Pool) -> None:
    """Retry once, when a breaker has closed, the changes that failed while its upstream was unavailable."""
    await pool.execute(
        "UPDATE portal.plan_changes p SET next_attempt_at = now() FROM read_model.upstreams u "
        "WHERE u.state = 'closed' AND u.since > p.updated_at AND p.next_attempt_at > now() "
        "AND p.state = ANY($1::text[]) AND p.error_code IS NOT NULL",
        list(OPEN),
    )


async def due(pool: asyncpg.Pool, limit: int) -> list[PlanChange]:
    """Return the changes that can be advanced now, the longest waiting first."""
    return await rows(
        pool,
        PlanChange,
        f"SELECT {_COLUMNS} FROM portal.plan_changes WHERE state = ANY($1::text[]) AND next_attempt_at <= now() "
        "ORDER BY next_attempt_at LIMIT $2",
        list(OPEN),
        limit,
    )


def digest(command_key: str) -> str:
    """Return the digest of a command's key that is stored; empty for a command without one."""
    return hashlib.sha256(command_key.encode()).hexdigest() if command_key else ""


async def _one(pool: asyncpg.Pool, where: str, *values: Any) -> PlanChange | None:
    return await row(
        pool,
        PlanChange,
        f"SELECT {_COLUMNS} FROM portal.plan_changes WHERE {where} ORDER BY created_at DESC LIMIT 1",
        *values,
    )
