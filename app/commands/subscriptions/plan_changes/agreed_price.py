"""Have WHMCS bill the agreed price of a changed plan.

A change makes WHMCS bill its own price for the new product, which may differ from the one that the customer was shown.
The service is read, corrected and read again, so that a repetition changes nothing.

Reads: WHMCS client. Reads and writes: WHMCS service. Writes: ingest.inbox.
"""

import structlog

from app.clock import now
from app.commands.execution.agreed_amounts import AgreedAmounts, bill_as_agreed, refuse_other_currency
from app.commands.execution.context import Context
from app.commands.subscriptions.plan_changes.journal import PlanChange
from app.errors import Conflict, UpstreamError
from app.intake.billing_cycles import cycle_of
from app.integrations.whmcs import records

log = structlog.get_logger()


async def bill_agreed_price(ctx: Context, change: PlanChange) -> None:
    """Set the price, unless WHMCS bills it already. A service that has another plan by now is left alone.

    Raises:
        Conflict: `price_not_set`, WHMCS still has another price after it was set, or bills the client in another
            currency by now.
        UpstreamError: call again to find out.
    """
    if change.agreed_amount is None or change.currency is None:
        return
    service = await ctx.whmcs.service(change.subscription_id)
    if service.data["pid"] != change.product_id or cycle_of(service.data["billingcycle"]) != change.billing_cycle:
        return
    await refuse_other_currency(ctx, service.owner_id or "", change.currency)
    read_at = now()
    corrected = await bill_as_agreed(ctx, service, AgreedAmounts(recurring=change.agreed_amount))
    if corrected is not None:
        log.info("agreed_price_set", subscription_id=change.subscription_id, amount=str(change.agreed_amount))
        await ctx.inbox.submit([records.change(corrected, origin="command", read_at=read_at)])


async def try_to_bill_agreed_price(ctx: Context, change: PlanChange) -> None:
    """Set the price at once if possible, so that no other one shows; the worker does it again in any case."""
    try:
        await bill_agreed_price(ctx, change)
    except (UpstreamError, Conflict) as error:
        log.warning("agreed_price_not_set_yet", subscription_id=change.subscription_id, error=str(error))
