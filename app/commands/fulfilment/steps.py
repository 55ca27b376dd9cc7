"""The steps, in order. Each looks before it leaps and returns what it learned."""

from typing import Any

from app.commands.fulfilment import order
from app.commands.fulfilment.hosting import make_hosting_account
from app.commands.fulfilment.outcomes import Pause, Step, Work
from app.commands.fulfilment.sim import activate_sim
from app.errors import UpstreamRejected
from app.ingest import accounts
from app.integrations.salesforce import wire
from app.integrations.whmcs.client import NewOrder, OrderLine

PAYMENT_METHOD_MISSING = "PAYMENT_METHOD_MISSING"


async def check_payment(work: Work) -> dict[str, Any]:
    """A method must still be on file; asked of WHMCS itself, whatever the read model says (F2-21)."""
    if not await work.ctx.whmcs.pay_methods(work.fulfilment.whmcs_client_id):
        raise Pause(PAYMENT_METHOD_MISSING, "The customer has no payment method in WHMCS. Resumes when one is added.")
    return {}


async def announce(work: Work) -> dict[str, Any]:
    """Tell staff and customer that activation has begun."""
    fields = {wire.ORDER_ACTIVATION: "Activating", wire.ORDER_ERROR_CODE: None, wire.ORDER_ERROR_MESSAGE: None}
    await order.write(work.ctx, work.fulfilment.order_id, fields)
    return {}


async def add_whmcs_order(work: Work) -> dict[str, Any]:
    """The billing copy: found by the marker in its notes, or new."""
    client_id, order_id = work.fulfilment.whmcs_client_id, work.fulfilment.order_id
    found = await work.ctx.whmcs.find_order(client_id, order_id)
    if found is None:
        lines = [
            OrderLine(
                pid=line.whmcs_product_id,
                billing_cycle=line.billing_cycle,
                qty=line.quantity,
                domain=str(work.order.get("Domain__c") or "") if line.category == "hosting" else "",
            )
            for line in work.lines
            if line.whmcs_product_id
        ]
        method = work.ctx.settings.whmcs_payment_method
        found = await work.ctx.whmcs.add_order(
            NewOrder(whmcs_client_id=client_id, salesforce_order_id=order_id, lines=lines, payment_method=method)
        )
    return {"whmcs_order_id": found.order_id, "whmcs_service_ids": list(found.service_ids)}


async def accept_whmcs_order(work: Work) -> dict[str, Any]:
    """Accept it; an order that is no longer pending was accepted before."""
    try:
        await work.ctx.whmcs.accept_order(work.fulfilment.facts["whmcs_order_id"])
    except UpstreamRejected:
        found = await work.ctx.whmcs.find_order(work.fulfilment.whmcs_client_id, work.fulfilment.order_id)
        if found is None or found.status != "Active":
            raise
    return {}


async def complete(work: Work) -> dict[str, Any]:
    """Write the outcome to Salesforce, and have the new services read."""
    ctx, facts = work.ctx, work.fulfilment.facts
    billed = [line for line in work.lines if line.whmcs_product_id]
    for line, service_id in zip(billed, facts["whmcs_service_ids"], strict=False):
        await ctx.salesforce.update("OrderItem", line.order_item_id, {wire.ITEM_SERVICE: service_id})
    fields = {
        wire.ORDER_WHMCS: facts["whmcs_order_id"],
        wire.ORDER_ACTIVATION: "Activated",
        wire.ORDER_ERROR_CODE: None,
        wire.ORDER_ERROR_MESSAGE: None,
        "Status": "Processed",
    }
    await order.write(ctx, work.fulfilment.order_id, fields)
    reason = f"fulfilled:{work.fulfilment.order_id}"
    await ctx.inbox.submit([accounts.whmcs_hint("client_services", work.fulfilment.whmcs_client_id, reason)])
    return {}


STEPS: tuple[tuple[str, Step], ...] = (
    ("check_payment", check_payment),
    ("announce", announce),
    ("add_whmcs_order", add_whmcs_order),
    ("accept_whmcs_order", accept_whmcs_order),
    ("activate_sim", activate_sim),
    ("make_hosting_account", make_hosting_account),
    ("complete", complete),
)
