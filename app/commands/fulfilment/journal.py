"""The journal of fulfilments.

Reads: read_model.upstreams. Writes: portal.fulfilments, portal.fulfilment_steps.
"""

from collections.abc import Collection
from uuid import UUID

import asyncpg
import msgspec
from msgspec import Struct

from app.commands.fulfilment.work import Anew, Fail, Job, Next, OrderOutcome, Pause, Retry, StopCode, Undone, Wait
from app.db import row

FIRST_STEP = "check_payment"
NOT_APPROVED: StopCode = "ORDER_NOT_APPROVED"

_BEGIN = """
UPDATE portal.fulfilments SET attempt = attempt + 1, updated_at = now()
WHERE order_id = $1 AND state IN ('running', 'paused') AND next_attempt_at <= now()
RETURNING order_id, account_id, step, attempt, error_code, facts
"""
_SETTLE = """
WITH step AS (
    INSERT INTO portal.fulfilment_steps (order_id, step, attempt, outcome, detail) VALUES ($1, $2, $3, $4, $5)
)
UPDATE portal.fulfilments SET state = $6, step = $7, attempt = $8, error_code = $9,
    error_message = CASE WHEN $9 = error_code THEN coalesce($10, error_message) ELSE $10 END,
    next_attempt_at = now() + $11 * interval '1 second',
    facts = CASE WHEN $13 THEN '{}' ELSE facts END || $12, updated_at = now(),
    finished_at = CASE WHEN $6 IN ('done', 'failed', 'cancelled') THEN now() END
WHERE order_id = $1 AND step = $2 AND attempt = $3
"""
"""Effective only if no later try has begun in the meantime."""

_RESUME = """
UPDATE portal.fulfilments f SET next_attempt_at = now() FROM read_model.upstreams u
WHERE u.state = 'closed' AND u.since > f.updated_at AND f.next_attempt_at > now()
  AND (f.state = 'paused' AND f.error_code = upper(u.upstream) || '_UNAVAILABLE'
       OR f.state = 'running' AND f.attempt > 0)
"""


class Position(Struct, frozen=True, kw_only=True):
    """The position of an order after a try; due again in so many seconds."""

    state: str
    step: str
    attempt: int = 0
    code: str | None = None
    message: str | None = None
    seconds: float = 0.0


async def due(pool: asyncpg.Pool) -> list[str]:
    """Return the orders that are due now, the longest waiting first."""
    rows = await pool.fetch(
        "SELECT order_id FROM portal.fulfilments WHERE state IN ('running', 'paused') AND next_attempt_at <= now() "
        "ORDER BY next_attempt_at LIMIT 500"
    )
    return [row["order_id"] for row in rows]


async def resume_paused(pool: asyncpg.Pool, accounts: Collection[UUID], code: str) -> list[str]:
    """Retry at once the orders of these accounts that are paused for this reason; returns their ids."""
    if not accounts:
        return []
    rows = await pool.fetch(
        "UPDATE portal.fulfilments SET next_attempt_at = now() "
        "WHERE account_id = ANY($1::uuid[]) AND state = 'paused' AND error_code = $2 RETURNING order_id",
        list(accounts),
        code,
    )
    return [row["order_id"] for row in rows]


async def resume_after_outages(pool: asyncpg.Pool) -> None:
    """Retry once, when a breaker has closed, the orders that failed while its upstream was unavailable. Otherwise each
    would wait for its own next try, which may come much later."""
    await pool.execute(_RESUME)


async def begin(pool: asyncpg.Pool, order_id: str) -> Job | None:
    """Return the order's next step, counting the try before it is made; None if nothing is due."""
    return await row(pool, Job, _BEGIN, order_id)


async def settle(pool: asyncpg.Pool, job: Job, outcome: OrderOutcome, next_step: str | None) -> None:
    """Record the outcome of a try and the order's next position; `next_step` is None after the last step."""
    position, detail = _position(job, outcome, next_step), msgspec.structs.asdict(outcome)
    await pool.execute(
        _SETTLE,
        job.order_id,
        job.step,
        job.attempt,
        type(outcome).__name__.lower(),
        detail,
        position.state,
        position.step,
        position.attempt,
        position.code,
        position.message,
        position.seconds,
        outcome.facts if isinstance(outcome, Next | Anew) else {},
        isinstance(outcome, Anew),
    )


def _position(job: Job, outcome: OrderOutcome, next_step: str | None) -> Position:
    match outcome:
        case Next():
            return Position(state="running" if next_step else "done", step=next_step or job.step)
        case Wait():
            code = job.error_code if outcome.unsure else None
            return Position(state="running", step=job.step, code=code, seconds=outcome.seconds)
        case Retry():
            return Position(
                state="running", step=job.step, attempt=job.attempt, code=job.error_code, seconds=outcome.seconds
            )
        case Pause():
            return Position(
                state="paused", step=job.step, code=outcome.code, message=outcome.message, seconds=outcome.seconds
            )
        case Fail():
            return Position(
                state="failed", step=job.step, attempt=job.attempt, code=outcome.code, message=outcome.message
            )
        case Anew():
            return Position(state="running", step=FIRST_STEP)
        case Undone():
            return Position(state="cancelled", step=job.step, code=outcome.code, message=outcome.message)
