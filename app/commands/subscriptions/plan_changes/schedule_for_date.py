"""Which days a change of plan can be put off to, and putting it off.

Days are the customer's own: those of the billing address's country.

Reads: read_model.profiles, subscriptions. Reads and writes: portal.scheduled_changes. Writes: ingest.inbox.
"""

from datetime import date, datetime, time, timedelta

from app.calendar import today, zone_of
from app.commands.execution.context import Context
from app.commands.subscriptions.plan_changes import scheduled
from app.commands.subscriptions.plan_changes.order import AgreedTerms, acceptable
from app.commands.subscriptions.plan_changes.scheduled import ScheduledPlanChange
from app.commands.subscriptions.service import Service
from app.errors import Conflict, InvalidRequest, RuleViolated, Violation

MOST_DAYS = 366
"""Nobody knows today what plans there will be later."""

_COUNTRY = "SELECT country FROM read_model.profiles WHERE account_id = $1"
_LEAVING = """
SELECT cancellation IS NOT NULL FROM read_model.subscriptions WHERE (account_id, subscription_id) = ($1, $2)
"""


async def start_of_day(ctx: Context, service: Service, day: date) -> datetime | None:
    """The instant at which a day to come begins where the customer is; None for today.

    Raises:
        RuleViolated: `date_past`, `date_too_far`.
    """
    country = await ctx.pool.fetchval(_COUNTRY, service.account_id)
    present = today(country, ctx.settings.whmcs_time_zone)
    last = present + timedelta(days=MOST_DAYS)
    if day < present:
        raise _not_on(f"That day is over; today is {present.isoformat()}.", "date_past")
    if day > last:
        raise _not_on(f"That is too far ahead. The last day possible is {last.isoformat()}.", "date_too_far")
    return datetime.combine(day, time(), zone_of(country, ctx.settings.whmcs_time_zone)) if day > present else None


async def schedule(
    ctx: Context, service: Service, terms: AgreedTerms, day: date, due_at: datetime, command_key: str
) -> tuple[ScheduledPlanChange, int | None]:
    """Plan the change for a day, in place of what was planned before; with what to wait for until it shows. It must be
    one that could be made now. The caller holds the service's turn.

    Raises:
        InvalidRequest: `invalid_value`, a price was agreed to.
        Conflict: `subscription_not_active`, `same_plan`, `change_in_progress`, `cancellation_exists`.
        RuleViolated: `plan_not_available`, `wrong_direction`.
    """
    _refuse_prices(terms)
    if await ctx.pool.fetchval(_LEAVING, service.account_id, service.subscription_id):
        raise Conflict("You asked to cancel this service, so its plan stays as it is.", code="cancellation_exists")
    plan, _ = await acceptable(ctx, service, terms)
    standing = await scheduled.waiting_of(ctx.pool, service.subscription_id)
    if standing is not None and (standing.sku, standing.effective_date) == (plan.sku, day):
        return standing, None
    return await scheduled.replace(ctx, service, plan, terms.direction, (day, due_at), command_key)


def _refuse_prices(terms: AgreedTerms) -> None:
    """Of a day to come nobody knows them."""
    sentence = "What is due on a day to come is calculated on that day. Please leave it out."
    problems = [
        Violation(name, "invalid_value", sentence) for name in ("due_now", "credit") if getattr(terms, name) is not None
    ]
    if problems:
        raise InvalidRequest(sentence, errors=problems)


def _not_on(sentence: str, code: str) -> RuleViolated:
    return RuleViolated(sentence, code=code, errors=[Violation("effective_date", code, sentence)])
