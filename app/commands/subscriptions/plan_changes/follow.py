"""Follow changes of plan until the provider has applied them: a chore of the worker, a few changes at a time.

A change is paid once the mirror shows that WHMCS bills the new product. Then WHMCS is made to bill it at the agreed
price, and it is applied at Freebit or WHM. All of them are read first, so that a repetition changes nothing. A
permanent failure waits for staff.

Reads: mirror.records. Reads and writes: portal.plan_changes, Freebit line, WHM account. Writes: ingest.inbox.
"""

import random

import structlog

from app.commands.execution.context import Context
from app.commands.subscriptions.apply_plan import provide
from app.commands.subscriptions.plan_changes import journal
from app.commands.subscriptions.plan_changes.agreed_price import bill_agreed_price
from app.commands.subscriptions.plan_changes.journal import PlanChange
from app.commands.subscriptions.plan_changes.outcome import resolve_unanswered
from app.commands.subscriptions.service import find_any
from app.commands.subscriptions.service_lock import lock_service
from app.db import is_outage
from app.errors import Conflict, NotFound, Overloaded, PortalError, UpstreamError, UpstreamRejected
from app.ingest.refetch.owners import whmcs_hint

AT_ONCE = 20
LOOK_SECONDS = 2.0
TRIES = 12
LONGEST_WAIT_SECONDS = 600.0

_MIRRORED = """
SELECT s.data ->> 'pid' AS product_id, i.data ->> 'status' AS invoice_status
FROM mirror.records s
LEFT JOIN mirror.records i ON (i.source, i.object, i.record_id) = ('whmcs', 'invoice', $2)
WHERE (s.source, s.object, s.record_id) = ('whmcs', 'service', $1) AND NOT s.deleted
"""

log = structlog.get_logger()


async def follow(ctx: Context) -> int:
    """Advance every change that is due as far as possible now; returns the number of changes."""
    await journal.resume_after_outages(ctx.pool)
    changes = await journal.due(ctx.pool, AT_ONCE)
    for change in changes:
        try:
            await _follow(ctx, change)
        except Exception as error:  # an unexpected failure of one must not block the others
            if is_outage(error):
                raise
            log.exception("plan_change_broken", subscription_id=change.subscription_id)
            await _broken(ctx, change, error)
    return len(changes)


async def _follow(ctx: Context, change: PlanChange) -> None:
    try:
        async with lock_service(ctx, change.subscription_id):
            moved = await _advance(ctx, change)
    except (UpstreamRejected, NotFound) as error:
        await _failed(ctx, change, error)
    except (UpstreamError, Conflict, Overloaded) as error:
        log.warning("plan_change_postponed", subscription_id=change.subscription_id, error=str(error))
        if change.state == "providing" and change.attempts >= TRIES:
            await _failed(ctx, change, error)
            return
        await journal.move(
            ctx.pool, change, change.state, seconds=_wait(change), error=(error.code, reason_for_staff(error))
        )
    else:
        log.info("plan_change", subscription_id=change.subscription_id, was=change.state, state=moved.state)


async def _advance(ctx: Context, change: PlanChange) -> PlanChange:
    if change.state == "asked":
        return await resolve_unanswered(ctx, change) or await journal.move(
            ctx.pool, change, "asked", seconds=_wait(change)
        )
    if change.state == "awaiting_payment":
        return await _check_payment(ctx, change)
    await bill_agreed_price(ctx, change)
    service = await find_any(ctx, change.subscription_id, live=True)
    if await provide(ctx, service, change.plan_code):
        return await journal.move(ctx.pool, change, "done")
    return await journal.move(ctx.pool, change, "providing", seconds=ctx.settings.freebit_poll_seconds)


async def _check_payment(ctx: Context, change: PlanChange) -> PlanChange:
    """Advance the change if WHMCS bills the new plan. Its hook for that names no service, so a paid invoice triggers a
    refetch of the service."""
    row = await ctx.pool.fetchrow(_MIRRORED, change.subscription_id, change.invoice_id or "")
    if row is not None and row["product_id"] == change.product_id:
        return await journal.move(ctx.pool, change, "providing")
    if row is None or row["invoice_status"] in ("Cancelled", "Refunded"):
        return await journal.move(ctx.pool, change, "withdrawn")
    if row["invoice_status"] == "Paid":
        reason = f"plan:{change.change_id}:paid:{change.attempts}"
        await ctx.inbox.submit([whmcs_hint("service", change.subscription_id, reason)])
        return await journal.move(ctx.pool, change, "awaiting_payment", seconds=_wait(change))
    return await journal.move(ctx.pool, change, "awaiting_payment", seconds=LOOK_SECONDS)


async def _failed(ctx: Context, change: PlanChange, error: PortalError) -> None:
    log.error("plan_change_failed", subscription_id=change.subscription_id, state=change.state, error=str(error))
    await journal.move(ctx.pool, change, "failed", error=(error.code, reason_for_staff(error)))


async def _broken(ctx: Context, change: PlanChange, error: Exception) -> None:
    """Retry later, and in the end leave the change to staff; one whose request has no answer yet is never abandoned."""
    reason = ("internal_error", f"{type(error).__name__}: {error}"[:255])
    state = "failed" if change.state == "providing" and change.attempts >= TRIES else change.state
    await journal.move(ctx.pool, change, state, seconds=_wait(change), error=reason)


def reason_for_staff(error: PortalError) -> str:
    """Describe an error for staff."""
    return f"{error.operation}: {error.reason}"[:255] if isinstance(error, UpstreamError) else error.detail


def _wait(change: PlanChange) -> float:
    """Return an exponential back-off with jitter."""
    return float(min(LOOK_SECONDS * 2**change.attempts, LONGEST_WAIT_SECONDS) * random.uniform(0.8, 1.2))
