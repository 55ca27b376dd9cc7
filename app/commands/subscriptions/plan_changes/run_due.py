"""Make the changes of plan whose day has come: a chore of the worker, a few at a time, because many want the first of a
month.

A wish is taken up under a lease, so that a worker that dies only delays it, and is made under the service's turn by a
key of its own, so that whoever takes it up again finds what WHMCS was asked before. WHMCS being away is waited for;
what can no longer be made ends as refused, and the customer is told why.

Reads: read_model.subscriptions. Reads and writes: portal.scheduled_changes, portal.plan_changes, WHMCS service and
upgrade order. Writes: ingest.inbox, portal.mails.
"""

import asyncio
import random
from collections.abc import Mapping

import structlog

from app.commands.execution.context import Actor, Context
from app.commands.subscriptions.plan_changes import journal, scheduled
from app.commands.subscriptions.plan_changes.follow import reason_for_staff
from app.commands.subscriptions.plan_changes.journal import PlanChange
from app.commands.subscriptions.plan_changes.order import AgreedTerms, order
from app.commands.subscriptions.plan_changes.outcome import read_back
from app.commands.subscriptions.plan_changes.scheduled import Ending, ScheduledPlanChange
from app.commands.subscriptions.plan_changes.scheduled_lists import overtaken
from app.commands.subscriptions.service import find_own
from app.commands.subscriptions.service_lock import lock_service
from app.db import is_outage
from app.errors import Conflict, NotFound, Overloaded, PortalError, RuleViolated, UpstreamRejected

ABREAST = 8
MOST_EACH = 50
"""So many are made one after the other before the chore begins anew."""
LEASE_SECONDS = 180.0
"""Longer than WHMCS takes at worst. Should it not be: whoever comes second finds the service's turn taken."""
TRIES = 80
SHORTEST_WAIT_SECONDS = 30.0
LONGEST_WAIT_SECONDS = 3_600.0
"""Eighty tries that wait for an hour at most: three days."""
BUSY_SECONDS = 5.0

FINAL = (Conflict, NotFound, RuleViolated, UpstreamRejected)
UNREACHABLE = "The billing system could not be reached for three days."
REASONS: Mapping[str, str] = {
    "change_in_progress": "Another plan was ordered for the service, and its invoice is not paid.",
    "plan_not_available": "The plan is not offered for this service any more.",
    "price_changed": "The plan has become dearer since you chose it.",
    "subscription_not_active": "The service was not active on that day.",
    "subscription_not_found": "The service is not there any more.",
    "wrong_direction": "The service has another plan than when you chose this one.",
}
REFUSED = "The billing system did not accept it. Please contact support."

log = structlog.get_logger()


async def make_due(ctx: Context) -> int:
    """Drop what its service will not see, then make what is due; returns how many were looked at."""
    for ending in await overtaken(ctx.pool, MOST_EACH):
        try:
            await _drop(ctx, ending)
        except Exception as error:
            if is_outage(error):
                raise
            log.exception("scheduled_change_not_dropped", subscription_id=ending.subscription_id)
    return sum(await asyncio.gather(*(_work_off(ctx) for _ in range(ABREAST))))


async def _work_off(ctx: Context) -> int:
    for number in range(MOST_EACH):
        schedule = await scheduled.claim(ctx.pool, LEASE_SECONDS)
        if schedule is None:
            return number
        try:
            await _make(ctx, schedule)
        except Exception:  # one that nobody foresaw must not hold up the others; it is taken up again after its lease
            log.exception("scheduled_change_failed", subscription_id=schedule.subscription_id)
    return MOST_EACH


async def _drop(ctx: Context, schedule: ScheduledPlanChange) -> None:
    try:
        async with lock_service(ctx, schedule.subscription_id):
            await scheduled.end(ctx, schedule, Ending(state="cancelled", error_code="service_ends"))
    except (Conflict, Overloaded):
        return  # somebody is at the service; it is looked at again


async def _make(ctx: Context, schedule: ScheduledPlanChange) -> None:
    if schedule.attempts > TRIES:
        reason = UNREACHABLE if schedule.error_code else REFUSED
        await _refuse(ctx, schedule, schedule.error_code or "given_up", schedule.error_message or "", reason)
        return
    try:
        async with lock_service(ctx, schedule.subscription_id):
            await _in_turn(ctx, schedule)
    except PortalError as error:
        if isinstance(error, FINAL) and not await _passes(ctx, schedule, error):
            await _end_by(ctx, schedule, error)
            return
        log.warning("scheduled_change_postponed", subscription_id=schedule.subscription_id, error=str(error))
        await scheduled.postpone(ctx.pool, schedule, _wait(schedule, error), (error.code, reason_for_staff(error)))


async def _in_turn(ctx: Context, schedule: ScheduledPlanChange) -> None:
    standing = await scheduled.waiting_of(ctx.pool, schedule.subscription_id)
    if standing is None or standing.schedule_id != schedule.schedule_id:
        return  # cancelled or replaced since it was taken up
    change = await _ordered(ctx, schedule)
    await read_back(ctx, change)
    await scheduled.end(ctx, schedule, Ending(state="done", invoice_id=change.invoice_id))
    log.info("scheduled_change_made", subscription_id=schedule.subscription_id, state=change.state)


async def _ordered(ctx: Context, schedule: ScheduledPlanChange) -> PlanChange:
    """Through the very path of a change at once, as the customer who planned it."""
    key = f"scheduled:{schedule.schedule_id}"
    if taken := await journal.taken_for(ctx.pool, schedule.subscription_id, key):
        return taken
    customer = Actor(role="customer", account_id=schedule.account_id)
    service = await find_own(ctx, customer, schedule.subscription_id, live=True)
    terms = AgreedTerms(sku=schedule.sku, direction=schedule.direction, monthly=schedule.monthly)
    return await order(ctx, service, terms, key)


async def _passes(ctx: Context, schedule: ScheduledPlanChange, error: PortalError) -> bool:
    """Whether a conflict goes away by itself: somebody is at the service, or its last change is just being set up."""
    if error.code == "change_in_progress":
        other = await journal.open_of(ctx.pool, schedule.subscription_id)
        return other is not None and other.state != "awaiting_payment"
    return error.code == "subscription_busy"


async def _end_by(ctx: Context, schedule: ScheduledPlanChange, error: PortalError) -> None:
    """A service that has the plan already needs nothing, and nobody need be told."""
    if error.code == "same_plan":
        await scheduled.end(ctx, schedule, Ending(state="cancelled", error_code="same_plan"))
        return
    await _refuse(ctx, schedule, error.code, reason_for_staff(error), REASONS.get(error.code, REFUSED))


async def _refuse(ctx: Context, schedule: ScheduledPlanChange, code: str, message: str, reason: str) -> None:
    log.error("scheduled_change_refused", subscription_id=schedule.subscription_id, code=code, error=message)
    await scheduled.end(ctx, schedule, Ending(state="refused", error_code=code, error_message=message, reason=reason))


def _wait(schedule: ScheduledPlanChange, error: PortalError) -> float:
    """Ever longer, and never all at once; not long at first for somebody who is at the service."""
    shortest = BUSY_SECONDS if error.code == "subscription_busy" else SHORTEST_WAIT_SECONDS
    wait = min(shortest * 2.0 ** min(schedule.attempts - 1, 10), LONGEST_WAIT_SECONDS)
    return wait * random.uniform(0.8, 1.2)
