"""The journal of fulfilments.

Reads: read_model.orders. Writes: portal.fulfilments, portal.fulfilment_steps.
"""

from typing import Any
from uuid import UUID

import asyncpg
from msgspec import Struct

from app.commands.context import Context

FIRST_STEP = "check_payment"
RECHECK_PAUSED_SECONDS = 180


class Fulfilment(Struct, kw_only=True):
    """One order's fulfilment as it stands."""

    order_id: str
    account_id: UUID
    whmcs_client_id: str
    step: str
    attempt: int
    facts: dict[str, Any]


async def take_approved(pool: asyncpg.Pool) -> list[str]:
    """Begin the fulfilment of every approved order that has none; once an order, whatever brought the news (C8)."""
    rows = await pool.fetch(
        "INSERT INTO portal.fulfilments (order_id, account_id, state, step) "
        "SELECT order_id, account_id, 'running', $1 FROM read_model.orders "
        "WHERE review_status = 'Approved' AND activation_status IS DISTINCT FROM 'Activated' "
        "ON CONFLICT (order_id) DO NOTHING RETURNING order_id",
        FIRST_STEP,
    )
    return [row["order_id"] for row in rows]


async def due(pool: asyncpg.Pool) -> list[str]:
    """Orders whose next attempt is due."""
    rows = await pool.fetch(
        "SELECT order_id FROM portal.fulfilments WHERE state IN ('running', 'paused') AND next_attempt_at <= now() "
        "ORDER BY next_attempt_at LIMIT 100"
    )
    return [row["order_id"] for row in rows]


async def resume_paused(ctx: Context, account_id: UUID) -> list[str]:
    """The cause of a pause may be gone (a payment method was added): look again now."""
    rows = await ctx.pool.fetch(
        "UPDATE portal.fulfilments SET next_attempt_at = now() WHERE account_id = $1 AND state = 'paused' "
        "RETURNING order_id",
        account_id,
    )
    return [row["order_id"] for row in rows]


async def load(connection: Any, order_id: str) -> Fulfilment | None:
    """The fulfilment, if it is due to run."""
    row = await connection.fetchrow(
        "SELECT f.order_id, f.account_id, m.whmcs_client_id, f.step, f.attempt, f.facts FROM portal.fulfilments f "
        "JOIN portal.id_mappings m ON m.account_id = f.account_id "
        "WHERE f.order_id = $1 AND f.state IN ('running', 'paused') AND f.next_attempt_at <= now()",
        order_id,
    )
    return Fulfilment(**dict(row)) if row else None


async def advance(connection: Any, fulfilment: Fulfilment, next_step: str | None, learned: dict[str, Any]) -> None:
    """A step is done: what it learned and where to go on, in one transaction."""
    async with connection.transaction():
        await _note(connection, fulfilment, "done", learned)
        fulfilment.facts |= learned
        await connection.execute(
            "UPDATE portal.fulfilments SET step = $2, state = $3, attempt = 0, facts = $4, error_code = NULL, "
            "error_message = NULL, updated_at = now(), finished_at = CASE WHEN $3 = 'done' THEN now() END "
            "WHERE order_id = $1",
            fulfilment.order_id,
            next_step or "done",
            "running" if next_step else "done",
            fulfilment.facts,
        )
    fulfilment.step, fulfilment.attempt = next_step or "done", 0


async def remember(connection: Any, fulfilment: Fulfilment, learned: dict[str, Any]) -> None:
    """Store what must be known before an upstream is called."""
    fulfilment.facts |= learned
    await connection.execute(
        "UPDATE portal.fulfilments SET facts = $2, updated_at = now() WHERE order_id = $1",
        fulfilment.order_id,
        fulfilment.facts,
    )


async def wait(connection: Any, fulfilment: Fulfilment, seconds: float, *, counts: bool, reason: str) -> None:
    """Go on with the same step later; `counts` says whether it was a failed attempt."""
    await _note(connection, fulfilment, "waiting", {"reason": reason})
    await connection.execute(
        "UPDATE portal.fulfilments SET attempt = attempt + $2, state = 'running', "
        "next_attempt_at = now() + $3 * interval '1 second', updated_at = now() WHERE order_id = $1",
        fulfilment.order_id,
        int(counts),
        seconds,
    )


async def stop(connection: Any, fulfilment: Fulfilment, state: str, code: str, message: str) -> None:
    """Pause until the cause goes away, or fail until staff act."""
    await _note(connection, fulfilment, state, {"code": code})
    await connection.execute(
        "UPDATE portal.fulfilments SET state = $2, error_code = $3, error_message = $4, updated_at = now(), "
        "next_attempt_at = now() + $5 * interval '1 second' WHERE order_id = $1",
        fulfilment.order_id,
        state,
        code,
        message,
        RECHECK_PAUSED_SECONDS,
    )


async def _note(connection: Any, fulfilment: Fulfilment, outcome: str, detail: dict[str, Any]) -> None:
    await connection.execute(
        "INSERT INTO portal.fulfilment_steps (order_id, step, attempt, outcome, detail) VALUES ($1, $2, $3, $4, $5)",
        fulfilment.order_id,
        fulfilment.step,
        fulfilment.attempt,
        outcome,
        detail,
    )
