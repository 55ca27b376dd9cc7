"""The journal of provisioning after activation: one row per step.

    running ──► done
       │  └───► failed, staff must act; retried when they ask for it
       └──► paused, retried automatically while later steps continue

Staff may skip a step that is paused or has failed.

Reads: portal.fulfilments. Writes: portal.provision_steps, portal.fulfilment_steps.
"""

from collections.abc import Sequence

import asyncpg
import msgspec
from msgspec import Struct

from app.commands.execution.context import Context
from app.commands.fulfilment.provision.parameters import CREATE_ACCOUNT
from app.commands.fulfilment.provision.task import ProvisionTask
from app.commands.fulfilment.provision.templates import TemplateStep
from app.commands.fulfilment.work import Fail, Next, Outcome, Pause, Retry, Undone, Wait

FIND_TEMPLATE = "find_template"

_DUE = """
SELECT DISTINCT p.order_id FROM portal.provision_steps p JOIN portal.fulfilments f USING (order_id)
WHERE f.state = 'done' AND p.state IN ('running', 'paused') AND p.next_attempt_at <= now() AND NOT EXISTS (
    SELECT FROM portal.provision_steps e
    WHERE e.order_id = p.order_id AND e.position < p.position AND e.state = 'running') LIMIT 500
"""
_BEGIN = """
UPDATE portal.provision_steps s SET attempt = attempt + 1, updated_at = now()
FROM (
    SELECT p.order_id, p.position, f.account_id, f.facts ->> 'hosting_username' AS username
    FROM portal.provision_steps p JOIN portal.fulfilments f USING (order_id)
    WHERE p.order_id = $1 AND f.state = 'done' AND p.state IN ('running', 'paused') AND p.next_attempt_at <= now()
      AND NOT EXISTS (SELECT FROM portal.provision_steps e
                      WHERE e.order_id = p.order_id AND e.position < p.position AND e.state = 'running')
    ORDER BY p.position LIMIT 1) AS due
WHERE (s.order_id, s.position) = (due.order_id, due.position)
RETURNING s.order_id, due.account_id, s.position, s.step, s.parameters, s.attempt, s.facts, due.username
"""
_SETTLE = """
WITH settled AS (
    UPDATE portal.provision_steps SET state = $5, attempt = $6, error_code = $7, error_message = $8,
        next_attempt_at = now() + $9 * interval '1 second', updated_at = now()
    WHERE order_id = $1 AND position = $2 AND state IN ('running', 'paused') RETURNING order_id, step
)
INSERT INTO portal.fulfilment_steps (order_id, step, attempt, outcome, detail)
SELECT order_id, step, $3, $4, $10 FROM settled
"""
_ADD_FIRST = """
INSERT INTO portal.provision_steps (order_id, position, step, parameters) VALUES ($1, 0, $2, $3)
ON CONFLICT (order_id, position) DO NOTHING
"""
_ADD = """
INSERT INTO portal.provision_steps (order_id, position, step, parameters)
SELECT order_id, $2, $3, $4 FROM portal.provision_steps WHERE order_id = $1 AND position = 0
ON CONFLICT (order_id, position) DO NOTHING
"""

_RESUME = """
UPDATE portal.provision_steps p SET next_attempt_at = now() FROM read_model.upstreams u
WHERE u.state = 'closed' AND u.since > p.updated_at AND p.next_attempt_at > now()
  AND (p.state = 'paused' AND p.error_code = upper(u.upstream) || '_UNAVAILABLE'
       OR p.state = 'running' AND p.attempt > 0)
"""


class StepPosition(Struct, frozen=True, kw_only=True):
    """The position of a step after a try; due again in so many seconds."""

    state: str
    attempt: int = 0
    code: str | None = None
    message: str | None = None
    seconds: float = 0.0


async def begin_template(pool: asyncpg.Pool, order_id: str, template: str) -> None:
    """Record that a template is to be followed once the order is done. Safe to repeat."""
    await pool.execute(_ADD_FIRST, order_id, FIND_TEMPLATE, {"template": template})


async def add_steps(pool: asyncpg.Pool, order_id: str, steps: Sequence[TemplateStep]) -> None:
    """Add the template's steps as they are now: later changes of the template do not affect this order."""
    rows = [
        (order_id, position, each.step, msgspec.to_builtins(each.parameters))
        for position, each in enumerate(steps, 1)
        if each.step != CREATE_ACCOUNT  # done as a step of the fulfilment
    ]
    async with pool.acquire() as connection, connection.transaction():
        await connection.executemany(_ADD, rows)


async def due(pool: asyncpg.Pool) -> list[str]:
    """Return the activated orders with a step that is due."""
    return [row["order_id"] for row in await pool.fetch(_DUE)]


async def resume_after_outages(pool: asyncpg.Pool) -> None:
    """Retry once, when a breaker has closed, the steps that failed while its upstream was unavailable."""
    await pool.execute(_RESUME)


async def begin(ctx: Context, order_id: str) -> ProvisionTask | None:
    """Return the order's next step, counting the try before it is made; None if nothing is due."""
    row = await ctx.pool.fetchrow(_BEGIN, order_id)
    return ProvisionTask(ctx=ctx, **dict(row)) if row else None


async def settle(task: ProvisionTask, outcome: Outcome) -> None:
    """Record the outcome of a try, unless staff skipped the step or the customer was erased in the meantime."""
    position = _position(task, outcome)
    await task.ctx.pool.execute(
        _SETTLE,
        task.order_id,
        task.position,
        task.attempt,
        type(outcome).__name__.lower(),
        position.state,
        position.attempt,
        position.code,
        position.message,
        position.seconds,
        msgspec.structs.asdict(outcome),
    )


def _position(task: ProvisionTask, outcome: Outcome) -> StepPosition:
    match outcome:
        case Next():
            return StepPosition(state="done", attempt=task.attempt)
        case Wait():
            return StepPosition(state="running", seconds=outcome.seconds)
        case Retry():
            return StepPosition(state="running", attempt=task.attempt, seconds=outcome.seconds)
        case Pause():
            state, seconds = "paused", outcome.seconds
        case Fail() | Undone():
            state, seconds = "failed", 0.0
    return StepPosition(state=state, attempt=task.attempt, code=outcome.code, message=outcome.message, seconds=seconds)
