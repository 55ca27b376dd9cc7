"""Change the plan of a service, now or on a future date. WHMCS calculates and bills; once it bills the new plan, the
provider applies it.

A change is journaled before it is sent to WHMCS. The outcome of a request without an answer is looked up before
anything is sent again: by a repetition of this command, by the next one, or by the worker. WHMCS has no future-dated
changes: the portal stores them, and the worker carries them out on their day in the same way.

Reads and writes: portal.plan_changes, portal.scheduled_changes, WHMCS service and upgrade order. Writes: ingest.inbox.
"""

from datetime import date
from typing import Annotated, Literal
from uuid import UUID

from msgspec import Meta, Struct

from app.commands.execution.context import Actor, Command, Context, Done
from app.commands.execution.pending_write import write_of
from app.commands.subscriptions.plan_changes import journal, scheduled
from app.commands.subscriptions.plan_changes.journal import PlanChange
from app.commands.subscriptions.plan_changes.order import AgreedTerms, order
from app.commands.subscriptions.plan_changes.outcome import read_back
from app.commands.subscriptions.plan_changes.schedule_for_date import schedule, start_of_day
from app.commands.subscriptions.plan_changes.scheduled import ScheduledPlanChange
from app.commands.subscriptions.service import Service, find_own
from app.commands.subscriptions.service_lock import lock_own_service
from app.ingest.inbox.pending import Pending
from app.inputs.numbers import Amount, Currency
from app.money import Money
from app.readmodels.plans import Direction


class Agreed(Money, frozen=True, forbid_unknown_fields=True):
    """An amount that the caller was shown. An unreadable amount must not count as zero."""

    amount: Annotated[Amount, Meta(max_length=40)]
    currency: Annotated[Currency, Meta(max_length=10)]


class NewPlan(Struct, forbid_unknown_fields=True):
    """The new plan by its SKU. With the preview's `due_now`, `credit` and `price`, it is changed only if they still
    hold. With an `effective_date`, at most a year ahead, it is changed on that day, unless it costs more than today;
    what is due is calculated then."""

    sku: Annotated[str, Meta(min_length=1, max_length=100)]
    due_now: Agreed | None = None
    """The `due_now` of the preview that the customer agreed to."""
    credit: Agreed | None = None
    """The `credit` of the preview that the customer agreed to."""
    price: Agreed | None = None
    """The `price` of the preview that the customer agreed to."""
    effective_date: Annotated[
        date | None, Meta(description="The day in the customer's time zone; today means at once.")
    ] = None


class ChangePlan(Struct, frozen=True):
    """The service named by the path, the direction of the change, and the new plan."""

    subscription_id: str
    direction: Direction
    plan: NewPlan


class PlanChanged(Struct, frozen=True, kw_only=True):
    """The progress of the change. `awaiting_payment`: it takes effect once `invoice_id` is paid. `providing`: billed,
    and being applied at the network or server. `scheduled`: nothing happens before the `effective_date`."""

    change_id: UUID
    subscription_id: str
    sku: str
    name: str
    state: Literal["scheduled", "awaiting_payment", "providing", "done"]
    """How far the change has come."""
    invoice_id: str | None
    effective_date: date | None = None
    """The day on which it takes effect, if one was chosen; else null."""


async def change_plan(ctx: Context, actor: Actor, request: ChangePlan) -> Done:
    """Order the plan, schedule it for its day, or find what the same request did earlier.

    Raises:
        NotFound: `subscription_not_found`.
        InvalidRequest: `invalid_value`, a price for a future-dated change.
        Conflict: `subscription_not_active`, `same_plan`, `change_in_progress`, `price_changed`, `subscription_busy`,
            `cancellation_exists`.
        RuleViolated: `plan_not_available`, `wrong_direction`, `date_past`, `date_too_far`.
        OutcomeUnknown: WHMCS did not answer; repeat the same request to find out.
    """
    async with lock_own_service(ctx, actor, request.subscription_id):
        service = await find_own(ctx, actor, request.subscription_id, live=True)
        wanted = request.plan
        terms = AgreedTerms(
            sku=wanted.sku,
            direction=request.direction,
            due_now=wanted.due_now,
            credit=wanted.credit,
            price=wanted.price,
        )
        write = write_of(
            actor,
            COMMAND.name,
            "subscriptions",
            {"sku": wanted.sku, "effective_date": wanted.effective_date},
            item_id=service.subscription_id,
            recheck=("whmcs", "service", service.subscription_id),
        )
        if wanted.effective_date and (
            done := await _schedule_if_future(ctx, service, terms, wanted.effective_date, actor.command_key, write)
        ):
            return done
        change = await order(ctx, service, terms, actor.command_key, write)
        submission = await read_back(ctx, change, write)
    return Done(_result(change), submission, target=request.subscription_id)


async def _schedule_if_future(
    ctx: Context, service: Service, terms: AgreedTerms, day: date, command_key: str, write: Pending
) -> Done | None:
    """Schedule the change for its day; None for today, also if it was ordered when that day was today."""
    if own := await scheduled.of_command(ctx.pool, service.subscription_id, command_key):
        return Done(_scheduled(own), target=service.subscription_id)
    if await journal.of_command(ctx.pool, service.subscription_id, command_key):
        return None
    due_at = await start_of_day(ctx, service, day)
    if due_at is None:
        return None
    planned, submission = await schedule(ctx, service, terms, day, due_at, command_key, write)
    return Done(_scheduled(planned), submission, target=service.subscription_id)


def _scheduled(schedule: ScheduledPlanChange) -> PlanChanged:
    return PlanChanged(
        change_id=schedule.schedule_id,
        subscription_id=schedule.subscription_id,
        sku=schedule.sku,
        name=schedule.product_name,
        state="scheduled",
        invoice_id=None,
        effective_date=schedule.effective_date,
    )


def _result(change: PlanChange) -> PlanChanged:
    """Return the change as the customer sees it: one that failed at the provider is still being worked on by staff."""
    shown: dict[journal.PlanChangeState, Literal["awaiting_payment", "providing", "done"]] = {
        "awaiting_payment": "awaiting_payment",
        "done": "done",
    }
    return PlanChanged(
        change_id=change.change_id,
        subscription_id=change.subscription_id,
        sku=change.sku,
        name=change.product_name,
        state=shown.get(change.state, "providing"),
        invoice_id=change.invoice_id,
    )


COMMAND = Command(change_plan, writes=("whmcs",), away="refuse", needs="service", idempotency_key="required")
