"""Change the plan of a service, now or on a day to come: WHMCS calculates and bills, and once it bills the new plan,
the provider is told.

Journaled before WHMCS is asked. A request without an answer is looked for before anything is asked again, by this
command repeated, by the next one, or by the worker. Of a day to come WHMCS knows nothing: the portal writes it down,
and the worker does on that day what is done here.

Reads and writes: portal.plan_changes, portal.scheduled_changes, WHMCS service and upgrade order. Writes: ingest.inbox.
"""

from datetime import date
from typing import Annotated, Literal
from uuid import UUID

from msgspec import Meta, Struct

from app.commands.execution.context import Actor, Command, Context, Done
from app.commands.subscriptions.plan_changes import journal, scheduled
from app.commands.subscriptions.plan_changes.journal import PlanChange
from app.commands.subscriptions.plan_changes.order import AgreedTerms, order
from app.commands.subscriptions.plan_changes.outcome import show
from app.commands.subscriptions.plan_changes.schedule_for_date import begins, put_off
from app.commands.subscriptions.plan_changes.scheduled import ScheduledPlanChange
from app.commands.subscriptions.service import Service, owned
from app.commands.subscriptions.service_lock import own_turn
from app.inputs.numbers import Amount, Currency
from app.money import Money
from app.readmodels.plans import Direction


class Agreed(Money, frozen=True, forbid_unknown_fields=True):
    """An amount that the caller was shown. What is none must not count as nothing to pay."""

    amount: Annotated[Amount, Meta(max_length=40)]
    currency: Annotated[Currency, Meta(max_length=10)]


class NewPlan(Struct, forbid_unknown_fields=True):
    """The plan by its SKU. With the `due_now` and `credit` of the preview, only if they still hold. With an
    `effective_date` on that day, at most a year ahead; what is due is calculated then."""

    sku: Annotated[str, Meta(min_length=1, max_length=100)]
    due_now: Agreed | None = None
    credit: Agreed | None = None
    effective_date: Annotated[date | None, Meta(description="The day, where the customer is. Today is at once.")] = None


class ChangePlan(Struct, frozen=True):
    """Which service, in which direction, to what."""

    subscription_id: str
    direction: Direction
    plan: NewPlan


class PlanChanged(Struct, frozen=True, kw_only=True):
    """How far it is: paid for it takes effect; with nothing to pay it has. `providing`: billed, and on its way to the
    network or server. `scheduled`: nothing is done before the `effective_date`."""

    change_id: UUID
    subscription_id: str
    sku: str
    name: str
    state: Literal["scheduled", "awaiting_payment", "providing", "done"]
    invoice_id: str | None
    effective_date: date | None = None


async def change_plan(ctx: Context, actor: Actor, request: ChangePlan) -> Done:
    """Order the plan, or plan that for its day; or find what this very request did.

    Raises:
        NotFound: `subscription_not_found`.
        InvalidRequest: `invalid_value`, a price for a day to come.
        Conflict: `subscription_not_active`, `same_plan`, `change_in_progress`, `price_changed`, `subscription_busy`,
            `cancellation_exists`.
        RuleViolated: `plan_not_available`, `wrong_direction`, `date_past`, `date_too_far`.
        OutcomeUnknown: WHMCS did not answer; the same request finds out.
    """
    async with own_turn(ctx, actor, request.subscription_id):
        service = await owned(ctx, actor, request.subscription_id)
        wanted = request.plan
        terms = AgreedTerms(sku=wanted.sku, direction=request.direction, due_now=wanted.due_now, credit=wanted.credit)
        if wanted.effective_date and (
            done := await _ahead(ctx, service, terms, wanted.effective_date, actor.command_key)
        ):
            return done
        change = await order(ctx, service, terms, actor.command_key)
        submission = await show(ctx, change)
    return Done(_result(change), submission, target=request.subscription_id)


async def _ahead(ctx: Context, service: Service, terms: AgreedTerms, day: date, command_key: str) -> Done | None:
    """Planned for its day; None for today, and for what was ordered when that day was today."""
    if own := await scheduled.of_command(ctx.pool, service.subscription_id, command_key):
        return Done(_planned(own), target=service.subscription_id)
    if await journal.of_command(ctx.pool, service.subscription_id, command_key):
        return None
    due_at = await begins(ctx, service, day)
    if due_at is None:
        return None
    planned, submission = await put_off(ctx, service, terms, day, due_at, command_key)
    return Done(_planned(planned), submission, target=service.subscription_id)


def _planned(schedule: ScheduledPlanChange) -> PlanChanged:
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
    """To the customer a provider that failed is one that staff are working on."""
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


COMMAND = Command(change_plan, idempotency_key="required")
