"""Change the plan of a service: WHMCS calculates and bills, and once it bills the new plan, the provider is told.

Journaled before WHMCS is asked. A request without an answer is looked for before anything is asked again, by this
command repeated, by the next one, or by the worker.

Reads and writes: portal.plan_changes, WHMCS service and upgrade order. Writes: ingest.inbox.
"""

import asyncio
from decimal import Decimal
from typing import Annotated, Literal
from uuid import UUID

from msgspec import Meta, Struct

from app.commands.context import Actor, Context, Done
from app.commands.fulfilment.work import NOTHING_DONE
from app.commands.services import journal
from app.commands.services.accepted import found, show
from app.commands.services.journal import PlanChange
from app.commands.services.owned import Service, owned, refuse_unless
from app.commands.services.plans import not_available, target
from app.commands.services.pricing import quoted, split, wish
from app.commands.services.turn import turn
from app.errors import Conflict, OutcomeUnknown, RuleViolated, UpstreamRejected, Violation
from app.integrations.whmcs import upgrades
from app.integrations.whmcs.faults import UPGRADE_UNPAID
from app.readmodels.money import Money, money
from app.readmodels.plans import Direction, Plan

LOOK_AGAIN_SECONDS = (0.2, 1.0)


class NewPlan(Struct, forbid_unknown_fields=True):
    """The plan by its SKU. With the `due_now` and `credit` of the preview, only if they still hold."""

    sku: Annotated[str, Meta(min_length=1, max_length=100)]
    due_now: Money | None = None
    credit: Money | None = None


class ChangePlan(Struct, frozen=True):
    """Which service, in which direction, to what."""

    subscription_id: str
    direction: Direction
    plan: NewPlan


class PlanChanged(Struct, frozen=True, kw_only=True):
    """How far it is: paid for it takes effect; with nothing to pay it has. `providing`: billed, and on its way to the
    network or server."""

    change_id: UUID
    subscription_id: str
    sku: str
    name: str
    state: Literal["awaiting_payment", "providing", "done"]
    invoice_id: str | None


async def change_plan(ctx: Context, actor: Actor, request: ChangePlan) -> Done:
    """Order the plan, or find the order that this very request placed.

    Raises:
        NotFound: `subscription_not_found`.
        Conflict: `subscription_not_active`, `same_plan`, `change_in_progress`, `price_changed`, `subscription_busy`.
        RuleViolated: `plan_not_available`, `wrong_direction`.
        OutcomeUnknown: WHMCS did not answer; the same request finds out.
    """
    async with turn(ctx, request.subscription_id):
        service = await owned(ctx, actor, request.subscription_id)
        change = await _before(ctx, actor, request) or await _order(ctx, actor, service, request)
        submission = await show(ctx, change)
    return Done(_result(change), submission, target=request.subscription_id)


async def _before(ctx: Context, actor: Actor, request: ChangePlan) -> PlanChange | None:
    """What this command did when it was tried before; another's change is in the way."""
    own = await journal.of_command(ctx.pool, request.subscription_id, actor.command_key)
    if own is not None and own.state != "asked":
        return own
    under_way = await journal.open_of(ctx.pool, request.subscription_id)
    if under_way is None:
        return None
    if under_way.state == "asked":
        settled = await found(ctx, under_way)
        if settled is None:
            raise OutcomeUnknown("whmcs", upgrades.ACTION, "an earlier request is still in doubt")
        if settled.state == "withdrawn":
            return None
        under_way = settled
    if own is not None and own.change_id == under_way.change_id:
        return under_way
    raise _in_progress(under_way.product_name)


async def _order(ctx: Context, actor: Actor, service: Service, request: ChangePlan) -> PlanChange:
    refuse_unless(service, "active")
    plan, direction = await target(ctx, service, request.plan.sku)
    if direction != request.direction:
        sentence = f"{plan.name} is {'more' if direction == 'upgrade' else 'less'} than the present plan: {direction}."
        raise RuleViolated(sentence, code="wrong_direction", errors=[Violation("sku", "wrong_direction", sentence)])
    quote = await quoted(ctx, service, plan)
    if quote.in_progress:
        raise _in_progress("Another plan")
    _refuse_other_price(service, request.plan, quote.due_now)
    return await _send(ctx, actor, service, plan)


async def _send(ctx: Context, actor: Actor, service: Service, plan: Plan) -> PlanChange:
    change = await journal.begin(ctx.pool, service, plan, actor.command_key)
    try:
        done = await upgrades.upgrade(ctx.whmcs, wish(ctx, service, plan.product_id))
    except NOTHING_DONE as error:
        await journal.move(ctx.pool, change, "withdrawn")
        if not isinstance(error, UpstreamRejected):
            raise
        raise (_in_progress("Another plan") if error.vendor_code == UPGRADE_UNPAID else not_available()) from error
    except OutcomeUnknown:
        for pause_seconds in LOOK_AGAIN_SECONDS:
            await asyncio.sleep(pause_seconds)
            settled = await found(ctx, change)
            if settled is not None and settled.state != "withdrawn":
                return settled
        raise
    state: journal.State = "awaiting_payment" if done.invoice_id else "providing"
    return await journal.move(ctx.pool, change, state, whmcs_order_id=done.order_id, invoice_id=done.invoice_id)


def _refuse_other_price(service: Service, plan: NewPlan, quoted_now: Decimal) -> None:
    """What the customer agreed to is what the customer pays."""
    due_now, credit = (money(amount, service.amount.currency) for amount in split(quoted_now))
    if plan.due_now in (None, due_now) and plan.credit in (None, credit):
        return
    text = f"{due_now.amount} {due_now.currency}" if Decimal(due_now.amount) else f"a credit of {credit.amount}"
    raise Conflict(f"The price is another one now: {text}. Please look at it and decide again.", code="price_changed")


def _in_progress(name: str) -> Conflict:
    return Conflict(
        f"{name} was ordered for this service already. Please pay its invoice first, or wait until it is set up.",
        code="change_in_progress",
    )


def _result(change: PlanChange) -> PlanChanged:
    """To the customer a provider that failed is one that staff are working on."""
    shown: dict[journal.State, Literal["awaiting_payment", "providing", "done"]] = {
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
