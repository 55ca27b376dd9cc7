"""Decisions of staff about a fulfilment: retry it, skip steps, or cancel it and undo what was done.

What is set up after activation is never undone, because the service belongs to the customer. Staff retry or skip it.

Reads and writes: portal.fulfilments, portal.provision_steps. Writes: portal.audit, Salesforce Order, and what `undo`
writes.
"""

from app.audit import Operator, audit
from app.clock import now
from app.commands.execution.context import Context, StaffCommand
from app.commands.fulfilment import overview, reports, undo
from app.commands.fulfilment.lines.line_end import LINE_TO_CANCEL
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
_HANDED_OVER = """
UPDATE portal.fulfilments SET state = 'running', attempt = 0, next_attempt_at = now(), error_code = NULL,
    error_message = NULL, updated_at = now(),
    facts = facts || jsonb_build_object('withdrawn', true, 'cancelled_because', $2::text)
WHERE order_id = $1
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
    """Report the cancellation to Salesforce and undo what was done. Safe to repeat.

    A worker undoes what takes minutes: a line that was requested from Freebit, and a write that may still be running.
    The order is `running` until then. Where staff must cancel the line (`LINE_TO_CANCEL`), cancelling the order says
    that they have.

    Raises:
        NotFound: `no_fulfilment`.
        Conflict: `fulfilment_over`, `fulfilment_busy`.
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
        if record.fulfilment.state == "done":
            raise Conflict("This order is activated. Cancel the service instead.", code="fulfilment_over")
        is_later = _is_for_worker(record)
        if not is_later:
            await undo.undo(ctx, order_id, record.fulfilment.account_id, record.facts)
        await _report_cancellation(ctx, order_id, reason)
        async with ctx.pool.acquire() as connection, connection.transaction():
            await connection.execute(_HANDED_OVER if is_later else _CANCELLED, order_id, reason)
            await audit(connection, operator, "fulfilment.cancel", [order_id], reason=reason)
    return await overview.one(ctx.pool, order_id)


def _is_for_worker(record: FulfilmentDetail) -> bool:
    has_line = bool(record.facts.get("sim_asked_at")) and record.fulfilment.error_code != LINE_TO_CANCEL
    return has_line or undo.unsettled_seconds(record.facts) > 0


async def _report_cancellation(ctx: Context, order_id: str, reason: str) -> None:
    try:
        await reports.submit(ctx, activation.cancelled(ctx.salesforce, order_id, reason, at=now()))
    except UpstreamNotFound:
        return  # the order was deleted


COMMANDS = (
    StaffCommand(retry, "fulfilment.retry", writes=("salesforce", "whmcs", "freebit", "whm"), away="refuse"),
    StaffCommand(skip, "fulfilment.skip", writes=("salesforce", "whmcs", "freebit", "whm"), away="refuse"),
    StaffCommand(cancel, "fulfilment.cancel", writes=("salesforce", "whmcs", "freebit", "whm"), away="refuse"),
)
