"""Reports of a fulfilment's progress: to Salesforce, and with Salesforce's answer to the read models at once.

The change event of a report arrives later, and shows only the last of several states.

Writes: Salesforce Order, through the inbox the read models.
"""

from collections.abc import Awaitable
from datetime import timedelta
from typing import Any

import structlog
from msgspec import structs

from app.clock import now
from app.commands.execution.context import Context
from app.commands.fulfilment.work import Fail, Job, Next, OrderOutcome, Pause, Retry, Undone, Wait, Work
from app.errors import UpstreamError, UpstreamNotFound
from app.ingest.refetch.owners import whmcs_hint
from app.intake.words import folded
from app.integrations.salesforce import activation, records

AGAIN_SECONDS = 30.0
"""How soon a step is repeated whose outcome could not be reported."""
LEARNED = {
    "PAYMENT_METHOD_MISSING": ("pay_methods",),
    "PAYMENT_PENDING": ("client_invoices",),
    "INVOICE_NOT_PAYABLE": ("client_invoices",),
    "BILLING_ACCOUNT_CLOSED": ("client", "client_services"),
    "BILLING_ACCOUNT_MISSING": ("client",),
}
"""Code → the WHMCS records of the customer that a worker reads again, since they are not as the portal knew them."""
UNREPORTED = frozenset({"ORDER_NOT_APPROVED"})
"""Staff know that they took the approval back."""
BEFORE_ANY_EFFECT = ("check_payment", "announce")
"""Until these are passed a withdrawn approval stops the order without a trace."""

log = structlog.get_logger()


async def submit(ctx: Context, written: Awaitable[list[dict[str, Any]]]) -> None:
    """Write to an order, and submit its states to the read models.

    Raises:
        UpstreamError: it was not written, or may not have been.
    """
    began, changes = now(), []
    for number, order in enumerate(await written):
        read_at = began + timedelta(microseconds=number)  # so that each state is a change of its own
        changes += records.changes("Order", [order], origin="command", read_at=read_at)
    await ctx.inbox.submit(changes)


async def take_up(work: Work) -> None:
    """Clear what stopped the order earlier, if staff continue it."""
    order = work.order
    forgotten = bool(order.error_code) and work.reported_code is None and work.job.step != "announce"  # which clears it
    if order.status != activation.REACTIVATE and not forgotten:
        return
    begun = work.job.step not in BEFORE_ANY_EFFECT
    await submit(work.ctx, activation.continue_activation(work.ctx.salesforce, order.order_id, begun=begun))
    state = activation.ACTIVATING if begun else activation.CREATED
    work.order = structs.replace(order, status=activation.APPROVED_STATUS, activation_status=state, error_code=None)
    work.reported_code = None


async def report(ctx: Context, job: Job, work: Work | None, outcome: OrderOutcome) -> OrderOutcome:
    """Write on the order why it stops, once, or that it goes on. If that fails, repeat the step instead."""
    order_id, before = job.order_id, work.reported_code if work else job.error_code
    try:
        if isinstance(outcome, Pause | Fail | Undone) and outcome.code not in (before, *UNREPORTED):
            await _stop(ctx, work, order_id, outcome)
        elif _goes_on(work, before, outcome):
            await submit(ctx, activation.continue_activation(ctx.salesforce, order_id, begun=True))
    except UpstreamNotFound:
        return outcome  # the order was deleted
    except UpstreamError as error:
        log.warning("fulfilment_not_reported", order_id=order_id, error=str(error))
        return Retry(AGAIN_SECONDS, f"{getattr(outcome, 'code', before)} could not be reported")
    return outcome


async def _stop(ctx: Context, work: Work | None, order_id: str, outcome: Pause | Fail | Undone) -> None:
    failed = not isinstance(outcome, Pause) or outcome.for_staff
    await submit(
        ctx,
        activation.report_error(ctx.salesforce, order_id, outcome.code, outcome.message, at=now(), failed=failed),
    )
    if work is not None and work.whmcs_client_id and (learned := LEARNED.get(outcome.code)):
        reason = f"fulfilment:{order_id}:{now().isoformat()}"
        await ctx.inbox.submit([whmcs_hint(name, work.whmcs_client_id, reason) for name in learned])


def _goes_on(work: Work | None, before: str | None, outcome: OrderOutcome) -> bool:
    """Return true if the order has a code that no longer holds. The first steps and the last set the status
    themselves, and an order that staff ended does not go on."""
    if work is None or before is None or work.job.step in (*BEFORE_ANY_EFFECT, "complete"):
        return False
    if folded(work.order.status) in activation.WITHDRAWN:
        return False
    return isinstance(outcome, Next) or (isinstance(outcome, Wait) and not outcome.unsure)
