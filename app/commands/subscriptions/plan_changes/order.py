"""Order a change of plan from WHMCS exactly once, whether it is immediate or was scheduled.

Reads and writes: portal.plan_changes, WHMCS service and upgrade order.
"""

import asyncio
from decimal import Decimal

from msgspec import Struct

from app.commands.execution import pending_write
from app.commands.execution.context import Context
from app.commands.fulfilment.work import NOTHING_DONE
from app.commands.subscriptions.plan_changes import journal
from app.commands.subscriptions.plan_changes.agreed_price import try_to_bill_agreed_price
from app.commands.subscriptions.plan_changes.journal import PlanChange
from app.commands.subscriptions.plan_changes.outcome import resolve_unanswered
from app.commands.subscriptions.quote import fetch_quote, split, upgrade_request
from app.commands.subscriptions.service import Service, refuse_unless
from app.commands.subscriptions.target_plan import not_available, target
from app.errors import Conflict, OutcomeUnknown, RuleViolated, UpstreamRejected, Violation
from app.ingest.inbox.pending import Pending
from app.integrations.whmcs import upgrades
from app.integrations.whmcs.faults import UPGRADE_UNPAID
from app.money import Money, money
from app.readmodels.plans import Direction, Plan
from app.words.sentence import Sentence, say

LOOK_AGAIN_SECONDS = (0.2, 1.0)
ANOTHER_PLAN = say("subscriptions.another_plan_ordered")


class PeriodPrice(Struct, frozen=True):
    """A price per billing cycle. Former releases stored neither currency nor cycle: a price in yen a month."""

    amount: Decimal
    currency: str | None
    billing_cycle: str | None


class AgreedTerms(Struct, frozen=True, kw_only=True):
    """The terms that the customer agreed to. `due_now`, `credit` and `price` are binding if given; `highest` is the
    most that a period may cost."""

    sku: str
    direction: Direction
    due_now: Money | None = None
    credit: Money | None = None
    price: Money | None = None
    highest: PeriodPrice | None = None


async def order(
    ctx: Context, service: Service, terms: AgreedTerms, command_key: str, write: Pending | None = None
) -> PlanChange:
    """Order the plan, or find the order that the same command placed. The caller holds the service's lock. `write` is
    what is shown as pending while WHMCS is asked.

    Raises:
        Conflict: `subscription_not_active`, `same_plan`, `change_in_progress`, `price_changed`.
        RuleViolated: `plan_not_available`, `wrong_direction`.
        OutcomeUnknown: WHMCS did not answer; repeat the same command to find out.
    """
    if earlier := await _find_earlier(ctx, service.subscription_id, command_key):
        return earlier
    plan, due_now = await acceptable(ctx, service, terms)
    refuse_other_price(terms, plan)
    _refuse_other_amount_due(service, terms, due_now)
    return await _send(ctx, service, plan, command_key, write)


async def acceptable(ctx: Context, service: Service, terms: AgreedTerms) -> tuple[Plan, Decimal]:
    """Return the plan, if the service may be changed to it now, and the amount due at once.

    Raises:
        Conflict: `subscription_not_active`, `same_plan`, `change_in_progress`.
        RuleViolated: `plan_not_available`, `wrong_direction`.
    """
    refuse_unless(service, "active")
    plan, direction = await target(ctx, service, terms.sku)
    if direction != terms.direction:
        sentence = (
            say("subscriptions.upgrade_is_upgrade", plan=plan.name, direction=direction)
            if direction == "upgrade"
            else say("subscriptions.downgrade_is_downgrade", plan=plan.name, direction=direction)
        )
        raise RuleViolated(sentence, code="wrong_direction", errors=[Violation("sku", "wrong_direction", sentence)])
    quote = await fetch_quote(ctx, service, plan)
    if quote.in_progress:
        raise in_progress()
    return plan, quote.due_now


async def _find_earlier(ctx: Context, subscription_id: str, command_key: str) -> PlanChange | None:
    """Return the change that this command made earlier. Raise if another change is in progress."""
    own = await journal.of_command(ctx.pool, subscription_id, command_key)
    if own is not None and own.state != "asked":
        return own
    under_way = await journal.open_of(ctx.pool, subscription_id)
    if under_way is None:
        return None
    if under_way.state == "asked":
        settled = await resolve_unanswered(ctx, under_way)
        if settled is None:
            raise OutcomeUnknown("whmcs", upgrades.ACTION, "the outcome of an earlier request is still unknown")
        if settled.state == "withdrawn":
            return None
        under_way = settled
    if own is not None and own.change_id == under_way.change_id:
        return under_way
    raise in_progress(under_way.product_name)


async def _send(ctx: Context, service: Service, plan: Plan, command_key: str, write: Pending | None) -> PlanChange:
    change = await journal.begin(ctx.pool, service, plan, command_key)
    if write:
        await pending_write.begin(ctx, write)
    try:
        done = await upgrades.upgrade(ctx.whmcs, upgrade_request(ctx, service, plan.product_id))
    except NOTHING_DONE as error:
        await journal.move(ctx.pool, change, "withdrawn")
        if not isinstance(error, UpstreamRejected):
            raise
        raise (in_progress() if error.vendor_code == UPGRADE_UNPAID else not_available()) from error
    except OutcomeUnknown:
        for pause_seconds in LOOK_AGAIN_SECONDS:
            await asyncio.sleep(pause_seconds)
            settled = await resolve_unanswered(ctx, change)
            if settled is not None and settled.state != "withdrawn":
                return settled
        raise
    state: journal.PlanChangeState = "awaiting_payment" if done.invoice_id else "providing"
    moved = await journal.move(ctx.pool, change, state, whmcs_order_id=done.order_id, invoice_id=done.invoice_id)
    if state == "providing":
        await try_to_bill_agreed_price(ctx, moved)
    return moved


def refuse_other_price(terms: AgreedTerms, plan: Plan) -> None:
    """Refuse a price per period that differs from the agreed one, or exceeds the highest.

    Raises:
        Conflict: `price_changed`.
    """
    price = money(plan.price, plan.currency)
    if _normalised(terms.price) not in (None, price) or (terms.highest and _dearer(plan, terms.highest)):
        raise _price_changed(say("subscriptions.price_changed_per_period", price=price))


def _refuse_other_amount_due(service: Service, terms: AgreedTerms, quoted_now: Decimal) -> None:
    due_now, credit = (money(amount, service.amount.currency) for amount in split(quoted_now))
    if _normalised(terms.due_now) in (None, due_now) and _normalised(terms.credit) in (None, credit):
        return
    is_due = Decimal(due_now.amount)
    raise _price_changed(
        say("subscriptions.price_changed_due", due=due_now)
        if is_due
        else say("subscriptions.price_changed_credit", credit=credit)
    )


def _price_changed(sentence: Sentence) -> Conflict:
    return Conflict(sentence, code="price_changed")


def _dearer(plan: Plan, highest: PeriodPrice) -> bool:
    """Tell if the plan now costs more than agreed; a price in another currency or cycle is another price."""
    other_currency = highest.currency is not None and highest.currency != plan.currency
    other_cycle = highest.billing_cycle is not None and highest.billing_cycle != plan.billing_cycle
    return other_currency or other_cycle or plan.price > highest.amount


def _normalised(agreed: Money | None) -> Money | None:
    """Return an amount in the portal's own form: `500.00` yen are 500 yen."""
    return money(agreed.amount, agreed.currency) if agreed else None


def in_progress(name: str | None = None) -> Conflict:
    """Return the refusal because another change of the service is in progress, to the plan `name` if it is known."""
    sentence = say("subscriptions.plan_ordered_already", plan=name) if name else ANOTHER_PLAN
    return Conflict(sentence, code="change_in_progress")
