"""Carry out scheduled changes of plan on their day: a chore of the worker, a few at a time, because many fall on the
first of a month.

A change is claimed under a lease, so that a worker that dies only delays it. It is made under the service's lock with a
command key of its own, so that the next worker finds what WHMCS was already asked for. An outage of WHMCS is waited
out; a change that has become impossible ends as refused, and the customer is told why.

Reads: read_model.subscriptions. Reads and writes: portal.scheduled_changes, portal.plan_changes, WHMCS service and
upgrade order. Writes: ingest.inbox, portal.mails.
"""

import asyncio
import random

import structlog

from app.commands.execution.context import Actor, Context
from app.commands.subscriptions.plan_changes import journal, scheduled
from app.commands.subscriptions.plan_changes.follow import reason_for_staff
from app.commands.subscriptions.plan_changes.journal import PlanChange
from app.commands.subscriptions.plan_changes.order import AgreedTerms, PeriodPrice, order
from app.commands.subscriptions.plan_changes.outcome import read_back
from app.commands.subscriptions.plan_changes.scheduled import Ending, ScheduledPlanChange
from app.commands.subscriptions.plan_changes.scheduled_lists import overtaken
from app.commands.subscriptions.service import find_own
from app.commands.subscriptions.service_lock import lock_service
from app.db import is_outage
from app.errors import Conflict, NotFound, Overloaded, PortalError, RuleViolated, UpstreamRejected
from app.readmodels.ordering.plan_change_refusals import REASONS, REFUSED, UNREACHABLE
from app.schedule import money_stop

CONCURRENCY = 8
MOST_PER_TASK = 50
"""The number of changes that one task makes before the chore starts again."""
LEASE_SECONDS = 180.0
"""Longer than WHMCS takes at worst. If it is exceeded, a second worker finds the service locked."""
TRIES = 80
SHORTEST_WAIT_SECONDS = 30.0
LONGEST_WAIT_SECONDS = 3_600.0
"""Eighty tries with waits of at most an hour take three days."""
BUSY_SECONDS = 5.0

FINAL = (Conflict, NotFound, RuleViolated, UpstreamRejected)
log = structlog.get_logger()


async def make_due(ctx: Context) -> int:
    """Cancel the changes of services that end first, then make those that are due; returns the number of changes."""
    for ending in await overtaken(ctx.pool, MOST_PER_TASK):
        try:
            await _cancel(ctx, ending)
        except Exception as error:
            if is_outage(error):
                raise
            log.exception("scheduled_change_not_dropped", subscription_id=ending.subscription_id)
    return sum(await asyncio.gather(*(_work_off(ctx) for _ in range(CONCURRENCY))))


async def _work_off(ctx: Context) -> int:
    for number in range(MOST_PER_TASK):
        if await money_stop.current(ctx.pool):
            return number
        schedule = await scheduled.claim(ctx.pool, LEASE_SECONDS)
        if schedule is None:
            return number
        try:
            await _make(ctx, schedule)
        except Exception:  # must not block the others; claimed again after its lease
            log.exception("scheduled_change_failed", subscription_id=schedule.subscription_id)
    return MOST_PER_TASK


async def _cancel(ctx: Context, schedule: ScheduledPlanChange) -> None:
    try:
        async with lock_service(ctx, schedule.subscription_id):
            await scheduled.end(ctx, schedule, Ending(state="cancelled", error_code="service_ends"))
    except (Conflict, Overloaded):
        return  # the service is locked; tried again in the next run


async def _make(ctx: Context, schedule: ScheduledPlanChange) -> None:
    if schedule.attempts > TRIES:
        reason = UNREACHABLE if schedule.error_code else REFUSED
        await _refuse(ctx, schedule, schedule.error_code or "given_up", schedule.error_message or "", reason)
        return
    try:
        async with lock_service(ctx, schedule.subscription_id):
            await _make_locked(ctx, schedule)
    except PortalError as error:
        if isinstance(error, FINAL) and not await _is_transient(ctx, schedule, error):
            await _end_by(ctx, schedule, error)
            return
        log.warning("scheduled_change_postponed", subscription_id=schedule.subscription_id, error=str(error))
        await scheduled.postpone(ctx.pool, schedule, _wait(schedule, error), (error.code, reason_for_staff(error)))


async def _make_locked(ctx: Context, schedule: ScheduledPlanChange) -> None:
    current = await scheduled.waiting_of(ctx.pool, schedule.subscription_id)
    if current is None or current.schedule_id != schedule.schedule_id:
        return  # cancelled or replaced since it was claimed
    change = await _order(ctx, schedule)
    await read_back(ctx, change)
    await scheduled.end(ctx, schedule, Ending(state="done", invoice_id=change.invoice_id))
    log.info("scheduled_change_made", subscription_id=schedule.subscription_id, state=change.state)


async def _order(ctx: Context, schedule: ScheduledPlanChange) -> PlanChange:
    """Order the plan like an immediate change, as the customer who scheduled it."""
    key = f"scheduled:{schedule.schedule_id}"
    if taken := await journal.taken_for(ctx.pool, schedule.subscription_id, key):
        return taken
    customer = Actor(role="customer", account_id=schedule.account_id)
    service = await find_own(ctx, customer, schedule.subscription_id, live=True)
    highest = PeriodPrice(schedule.monthly, schedule.currency, schedule.billing_cycle)
    terms = AgreedTerms(sku=schedule.sku, direction=schedule.direction, highest=highest)
    return await order(ctx, service, terms, key)


async def _is_transient(ctx: Context, schedule: ScheduledPlanChange, error: PortalError) -> bool:
    """Tell if a conflict resolves itself: the service is locked, or its last change is being applied."""
    if error.code == "change_in_progress":
        other = await journal.open_of(ctx.pool, schedule.subscription_id)
        return other is not None and other.state != "awaiting_payment"
    return error.code == "subscription_busy"


async def _end_by(ctx: Context, schedule: ScheduledPlanChange, error: PortalError) -> None:
    """End a change that has become impossible. If the service already has the plan, nobody is notified."""
    if error.code == "same_plan":
        await scheduled.end(ctx, schedule, Ending(state="cancelled", error_code="same_plan"))
        return
    await _refuse(ctx, schedule, error.code, reason_for_staff(error), REASONS.get(error.code, REFUSED))


async def _refuse(ctx: Context, schedule: ScheduledPlanChange, code: str, message: str, reason: str) -> None:
    log.error("scheduled_change_refused", subscription_id=schedule.subscription_id, code=code, error=message)
    await scheduled.end(ctx, schedule, Ending(state="refused", error_code=code, error_message=message, reason=reason))


def _wait(schedule: ScheduledPlanChange, error: PortalError) -> float:
    """Return an exponential back-off with jitter, shorter at first if the service is locked."""
    shortest = BUSY_SECONDS if error.code == "subscription_busy" else SHORTEST_WAIT_SECONDS
    wait = min(shortest * 2.0 ** min(schedule.attempts - 1, 10), LONGEST_WAIT_SECONDS)
    return wait * random.uniform(0.8, 1.2)
