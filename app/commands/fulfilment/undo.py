"""Undoing what a fulfilment did, for an order that is not to be activated.

    step            undone by
    whmcs_order     CancelOrder, with the services and the unpaid invoice
    accept          its services marked Cancelled in WHMCS
    hosting         the account, which was created for this order alone, is removed
    sim             never: a line requested from Freebit is cancelled there by hand, and a number may be lost

Each reads first and may be repeated, so an interrupted cancellation continues when it is requested again.

Reads: portal.id_mappings. Writes: portal.fulfilment_steps, WHM account, WHMCS order and services.
"""

from typing import Any
from uuid import UUID

from app.clock import now
from app.commands.execution.context import Context
from app.commands.fulfilment.work import Fail, Outcome, Undone, Work
from app.ingest.refetch.owners import whmcs_hint
from app.integrations.salesforce import activation

PENDING, GONE = "Pending", "Cancelled"
FORMER_ORDERS = "former_whmcs_orders"
"""Fact: WHMCS orders of earlier attempts that were undone. They are not found again."""

_STEP = (
    "INSERT INTO portal.fulfilment_steps (order_id, step, attempt, outcome, detail) VALUES ($1, $2, 1, 'undone', $3)"
)

_FORMER = f"""
UPDATE portal.fulfilments SET facts = facts || jsonb_build_object('{FORMER_ORDERS}',
    coalesce(facts -> '{FORMER_ORDERS}', '[]') || to_jsonb($2::text)) WHERE order_id = $1
"""


async def withdraw(work: Work) -> Outcome:
    """Undo an order that staff ended in Salesforce.

    Raises:
        UpstreamError: repeat it; what was undone stays undone.
    """
    if work.job.facts.get("sim_asked_at"):
        sentence = "Freebit was asked for this order's line. Cancel it there, and the order's services in WHMCS."
        return Fail("LINE_TO_CANCEL", sentence)
    undone = await undo(work.ctx, work.order.order_id, work.job.account_id, work.job.facts)
    what = f"Undone: {', '.join(undone)}." if undone else "Nothing had been done yet."
    return Undone("CANCELLED_IN_SALESFORCE", f"{work.order.status} in Salesforce. {what}")


async def undo(ctx: Context, order_id: str, account_id: UUID, facts: dict[str, Any]) -> list[str]:
    """Undo everything, and return in words what there was."""
    return [*await _hosting(ctx, order_id, facts), *await _billing(ctx, order_id, account_id, facts)]


async def _hosting(ctx: Context, order_id: str, facts: dict[str, Any]) -> list[str]:
    """Remove the hosting account. One of the chosen name belongs to this order only if it has its domain."""
    name = facts.get("hosting_username")
    found = await ctx.whm.account(name) if name else None
    if found is None or found.domain != (await activation.live(ctx.salesforce, order_id)).domain:
        return []
    await ctx.whm.remove_account(found.username)
    await ctx.pool.execute(_STEP, order_id, "hosting", {"removed": found.username})
    return [f"hosting account {found.username}"]


async def _billing(ctx: Context, order_id: str, account_id: UUID, facts: dict[str, Any]) -> list[str]:
    client_id = await ctx.pool.fetchval(
        "SELECT whmcs_client_id FROM portal.id_mappings WHERE account_id = $1", account_id
    )
    found = await ctx.whmcs.find_order(client_id, order_id, facts.get(FORMER_ORDERS, ())) if client_id else None
    if found is None or found.status == GONE:
        return []
    if found.status == PENDING:
        await ctx.whmcs.cancel_order(found.order_id)
    else:
        for service_id in found.service_ids:
            await ctx.whmcs.cancel_service(service_id)
    await ctx.pool.execute(_STEP, order_id, "whmcs_order", {"order": found.order_id, "was": found.status})
    await ctx.pool.execute(_FORMER, order_id, found.order_id)
    reason = f"undone:{order_id}:{now().isoformat()}"
    await ctx.inbox.submit([whmcs_hint(name, client_id, reason) for name in ("client_services", "client_invoices")])
    return [f"WHMCS order {found.order_id}"]
