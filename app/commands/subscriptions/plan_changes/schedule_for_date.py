"""Schedule a change of plan for a future date.

Dates are in the time zone of the billing address's country.

Reads: read_model.profiles, subscriptions. Reads and writes: portal.scheduled_changes. Writes: ingest.inbox.
"""

from datetime import date, datetime, time, timedelta

from app.calendar import today, zone_of
from app.commands.execution.context import Context
from app.commands.subscriptions.plan_changes import scheduled
from app.commands.subscriptions.plan_changes.order import AgreedTerms, acceptable, refuse_other_price
from app.commands.subscriptions.plan_changes.scheduled import ScheduledPlanChange
from app.commands.subscriptions.service import Service
from app.errors import Conflict, InvalidRequest, RuleViolated, Violation
from app.ingest.inbox.pending import Pending
from app.words.sentence import say

MOST_DAYS = 366
"""The plans offered after that are unknown today."""

_COUNTRY = "SELECT country FROM read_model.profiles WHERE account_id = $1"
_IS_CANCELLED = """
SELECT cancellation IS NOT NULL FROM read_model.subscriptions WHERE (account_id, subscription_id) = ($1, $2)
"""


async def start_of_day(ctx: Context, service: Service, day: date) -> datetime | None:
    """Return the instant at which a future day begins in the customer's time zone; None for today.

    Raises:
        RuleViolated: `date_past`, `date_too_far`.
    """
    country = await ctx.pool.fetchval(_COUNTRY, service.account_id)
    present = today(country, ctx.settings.whmcs_time_zone)
    last = present + timedelta(days=MOST_DAYS)
    if day < present:
        raise _not_on(say("subscriptions.day_past", today=present.isoformat()), "date_past")
    if day > last:
        raise _not_on(say("subscriptions.day_too_far", last=last.isoformat()), "date_too_far")
    return datetime.combine(day, time(), zone_of(country, ctx.settings.whmcs_time_zone)) if day > present else None


async def schedule(
    ctx: Context,
    service: Service,
    terms: AgreedTerms,
    day: date,
    due_at: datetime,
    command_key: str,
    write: Pending | None = None,
) -> tuple[ScheduledPlanChange, int | None]:
    """Schedule the change for a day, replacing an earlier one; returns it with the submission that makes it show, until
    when `write` is pending.

    It must be a change that could be made now. The caller holds the service's lock.

    Raises:
        InvalidRequest: `invalid_value`, an amount due at once was agreed to.
        Conflict: `subscription_not_active`, `same_plan`, `change_in_progress`, `cancellation_exists`, `price_changed`.
        RuleViolated: `plan_not_available`, `wrong_direction`.
    """
    _refuse_amounts_due(terms)
    if await ctx.pool.fetchval(_IS_CANCELLED, service.account_id, service.subscription_id):
        raise Conflict(say("subscriptions.cancelled_no_change"), code="cancellation_exists")
    plan, _ = await acceptable(ctx, service, terms)
    refuse_other_price(terms, plan)
    current = await scheduled.waiting_of(ctx.pool, service.subscription_id)
    if current is not None and (current.sku, current.effective_date) == (plan.sku, day):
        return current, None
    return await scheduled.replace(ctx, service, plan, terms.direction, (day, due_at), command_key, write)


def _refuse_amounts_due(terms: AgreedTerms) -> None:
    """Refuse agreed amounts due at once, which are unknown for a future date."""
    sentence = say("subscriptions.calculated_later")
    problems = [
        Violation(name, "invalid_value", sentence) for name in ("due_now", "credit") if getattr(terms, name) is not None
    ]
    if problems:
        raise InvalidRequest(sentence, errors=problems)


def _not_on(sentence: str, code: str) -> RuleViolated:
    return RuleViolated(sentence, code=code, errors=[Violation("effective_date", code, sentence)])
