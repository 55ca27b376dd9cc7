"""Decisions of staff about a fulfilment: retry it, skip steps, or cancel it and undo what was done.

What is set up after activation is never undone, because the service belongs to the customer. Staff retry or skip it.

Reads and writes: portal.fulfilments, portal.provision_steps. Writes: portal.audit, Salesforce Order, and what `undo`
writes.
"""

from app.audit import Operator, audit
from app.clock import now
from app.commands.execution.context import Context, StaffCommand
from app.commands.fulfilment import overview, reports, undo
from app.commands.fulfilment.overview import FulfilmentDetail
from app.errors import Conflict, UpstreamNotFound
from app.integrations.salesforce import activation

_RETRY = """
UPDATE portal.fulfilments SET state = 'running', attempt = 0, next_attempt_at = now(), error_code = NULL,
    error_message = NULL, finished_at = NULL, updated_at = now(),
    facts = CASE error_code
            WHEN 'SIM_OUTCOME_UNKNOWN' THEN facts - 'sim_asked_at' || '{"sim_asked_before": true}' ELSE facts
        END || CASE WHEN $2 THEN '{"payment_waived": true}'::jsonb ELSE '{}' END
WHERE order_id = $1 AND state IN ('paused', 'failed', 'running') RETURNING true
"""
_RETRY_PROVISION = """
UPDATE portal.provision_steps SET state = 'running', attempt = 0, next_attempt_at = now(), error_code = NULL,
    error_message = NULL, facts = facts - '{asked_at,began_at,checked_at}'::text[], updated_at = now()
WHERE order_id = $1 AND state IN ('paused', 'failed') RETURNING step
"""
_SKIP_PROVISION = """
UPDATE portal.provision_steps SET state = 'skipped', updated_at = now()
WHERE order_id = $1 AND state IN ('paused', 'failed') RETURNING step
"""
_CANCELLED = """
UPDATE portal.fulfilments SET state = 'cancelled', error_code = 'CANCELLED_BY_STAFF', error_message = $2,
    finished_at = now(), updated_at = now() WHERE order_id = $1
"""


async def retry(ctx: Context, operator: Operator, order_id: str, *, force: bool = False) -> FulfilmentDetail:
    """Retry the current step at once with its attempts reset; for an activated order, every provisioning step that
    failed or is paused. Completed steps stay completed. A line whose request was not answered is requested again, since
    staff have seen that there is none.

    Args:
        force: continue without a payment method on file. An instant order's invoice must still be paid.

    Raises:
        NotFound: `no_fulfilment`.
        Conflict: `fulfilment_over`, it is done or cancelled.
    """
    await overview.one(ctx.pool, order_id)
    async with ctx.pool.acquire() as connection, connection.transaction():
        detail = {"payment": "waived"} if force else {}
        if not await connection.fetchval(_RETRY, order_id, force):
            again = [row["step"] for row in await connection.fetch(_RETRY_PROVISION, order_id)]
            if not again:
                raise Conflict("This order is done or cancelled, so there is nothing to retry.", code="fulfilment_over")
            detail = {"steps": ", ".join(again)}
        await audit(connection, operator, "fulfilment.retry", [order_id], **detail)
    return await overview.one(ctx.pool, order_id)


async def skip(ctx: Context, operator: Operator, order_id: str, reason: str) -> FulfilmentDetail:
    """Skip the provisioning steps that failed or are paused; they are not retried and block nothing.

    Raises:
        NotFound: `no_fulfilment`.
        Conflict: `nothing_to_skip`.
    """
    await overview.one(ctx.pool, order_id)
    async with ctx.pool.acquire() as connection, connection.transaction():
        steps = [row["step"] for row in await connection.fetch(_SKIP_PROVISION, order_id)]
        if not steps:
            raise Conflict(
                "No step after activation has failed or is paused, so there is none to skip.", code="nothing_to_skip"
            )
        await audit(connection, operator, "fulfilment.skip", [order_id], steps=", ".join(steps), reason=reason)
    return await overview.one(ctx.pool, order_id)


async def cancel(ctx: Context, operator: Operator, order_id: str, reason: str) -> FulfilmentDetail:
    """Undo what was done and report the cancellation to Salesforce. Safe to repeat.

    Raises:
        NotFound: `no_fulfilment`.
        Conflict: `fulfilment_over`, `fulfilment_past_cancelling`, `fulfilment_busy`.
        UpstreamError: repeat the request; what was undone stays undone.
    """
    await overview.one(ctx.pool, order_id)
    async with ctx.locks.exclusively("fulfilment", order_id) as mine:
        if not mine:
            sentence = "A worker is processing this order. Please try again in a moment."
            raise Conflict(sentence, code="fulfilment_busy", retry_after_seconds=5)
        record = await overview.one(ctx.pool, order_id)
        if record.fulfilment.state == "cancelled":
            return record
        _refuse_too_late(record)
        await undo.undo(ctx, order_id, record.fulfilment.account_id, record.facts)
        await _report_cancellation(ctx, order_id, reason)
        async with ctx.pool.acquire() as connection, connection.transaction():
            await connection.execute(_CANCELLED, order_id, reason)
            await audit(connection, operator, "fulfilment.cancel", [order_id], reason=reason)
    return await overview.one(ctx.pool, order_id)


def _refuse_too_late(record: FulfilmentDetail) -> None:
    if record.fulfilment.state == "done":
        raise Conflict("This order is activated. Cancel the service instead.", code="fulfilment_over")
    if record.facts.get("sim_asked_at"):
        sentence = (
            "Freebit was asked for this order's line. Cancel it there, then close the order in Salesforce by hand."
        )
        raise Conflict(sentence, code="fulfilment_past_cancelling")


async def _report_cancellation(ctx: Context, order_id: str, reason: str) -> None:
    try:
        await reports.submit(ctx, activation.cancelled(ctx.salesforce, order_id, reason, at=now()))
    except UpstreamNotFound:
        return  # the order was deleted


COMMANDS = (
    StaffCommand(retry, "fulfilment.retry"),
    StaffCommand(skip, "fulfilment.skip"),
    StaffCommand(cancel, "fulfilment.cancel"),
)
