"""A journal of dunning as the process writes it, for tests of what is shown of it."""

from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg

DEFAULTS: dict[str, Any] = {
    "whmcs_client_id": 1001,
    "state": "trying",
    "slot": 0,
    "next_step_at": None,
    "max_attempts": 3,
    "next_attempt_at": None,
    "suspend_on": None,
    "suspended_at": None,
    "last_decline_kind": None,
    "last_decline_code": None,
    "subscription_ids": [],
    "ended_at": None,
    "ended_reason": None,
}


async def journal(pool: asyncpg.Pool, account_id: UUID, invoice_id: int = 77, **row: Any) -> None:
    """Write an invoice's row, or what changes of it."""
    exists = await pool.fetchval("SELECT true FROM portal.dunning WHERE whmcs_invoice_id = $1", invoice_id)
    if exists:
        sets = ", ".join(f"{name} = ${number}" for number, name in enumerate(row, 2))
        comma = ", " if sets else ""
        await pool.execute(
            f"UPDATE portal.dunning SET {sets}{comma}updated_at = clock_timestamp() WHERE whmcs_invoice_id = $1",
            invoice_id,
            *row.values(),
        )
        return
    values = {**DEFAULTS, **row}
    slots = ", ".join(f"${number}" for number in range(3, 3 + len(values)))
    await pool.execute(
        f"INSERT INTO portal.dunning (whmcs_invoice_id, account_id, due_on, {', '.join(values)}) "
        f"VALUES ($1, $2, '2026-01-15', {slots})",
        invoice_id,
        str(account_id),
        *values.values(),
    )


async def step(
    pool: asyncpg.Pool, account_id: UUID, name: str, number: int = 0, *, at: datetime | None = None, **detail: Any
) -> None:
    """Write a step of invoice 77 and touch its row, in one commit as the process does."""
    async with pool.acquire() as connection, connection.transaction():
        await connection.execute(
            "INSERT INTO portal.dunning_steps (whmcs_invoice_id, account_id, step, number, at, detail) "
            "VALUES (77, $1, $2, $3, coalesce($4, now()), $5)",
            str(account_id),
            name,
            number,
            at,
            detail,
        )
        await connection.execute("UPDATE portal.dunning SET updated_at = clock_timestamp() WHERE whmcs_invoice_id = 77")


async def suspended(pool: asyncpg.Pool, account_id: UUID, subscription_id: str = "55") -> None:
    """Write that dunning of invoice 77 suspended a service."""
    await pool.execute(
        "INSERT INTO portal.dunning_suspensions (whmcs_invoice_id, subscription_id, account_id, suspended_at) "
        "VALUES (77, $1, $2, now())",
        subscription_id,
        str(account_id),
    )
