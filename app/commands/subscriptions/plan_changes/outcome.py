"""Find out if WHMCS accepted a change of plan, and submit the result to the read models.

Reads: WHMCS service, invoices and calculation. Reads and writes: portal.plan_changes. Writes: ingest.inbox.
"""

from datetime import timedelta
from zoneinfo import ZoneInfo

import structlog

from app.clock import now
from app.commands.execution.context import Context
from app.commands.subscriptions.plan_changes import journal
from app.commands.subscriptions.plan_changes.journal import PlanChange
from app.errors import UpstreamError, UpstreamNotFound
from app.ingest.inbox.pending import Pending
from app.ingest.refetch.owners import whmcs_hint
from app.intake.billing_cycles import cycle_of
from app.integrations.whmcs import records, upgrades
from app.integrations.whmcs.upgrades import Upgrade

SETTLE_SECONDS = 90.0
"""A request without an answer may still be processed; only after this time does its absence count as a failure."""
UPGRADE_LINE = "Upgrade"

log = structlog.get_logger()


async def resolve_unanswered(ctx: Context, change: PlanChange) -> PlanChange | None:
    """Resolve a change whose request had no answer: accepted, withdrawn once it certainly failed, or None while
    its outcome is unknown."""
    try:
        service = await ctx.whmcs.service(change.subscription_id)
    except UpstreamNotFound:
        return await journal.move(ctx.pool, change, "withdrawn")
    if service.data["pid"] == change.product_id:
        return await journal.move(ctx.pool, change, "providing")
    quote = await upgrades.quote(
        ctx.whmcs,
        Upgrade(
            service_id=change.subscription_id,
            product_id=change.product_id,
            billing_cycle=cycle_of(service.data["billingcycle"]),
            payment_method=service.data.get("paymentmethod") or ctx.settings.whmcs_payment_method,
        ),
    )
    if quote.in_progress:
        return await journal.move(ctx.pool, change, "awaiting_payment", invoice_id=await _invoice(ctx, change))
    if now() - change.created_at > timedelta(seconds=SETTLE_SECONDS):
        return await journal.move(ctx.pool, change, "withdrawn")
    return None


async def _invoice(ctx: Context, change: PlanChange) -> str | None:
    """Find the invoice of a change whose answer was lost: unpaid, for an upgrade, created since the request, and of no
    other change. WHMCS's line names the upgrade and not the service, so two such invoices are ambiguous."""
    zone = ZoneInfo(ctx.settings.whmcs_time_zone)
    since = change.created_at.astimezone(zone).date().isoformat()
    candidates = [
        each.record_id
        for each in await ctx.whmcs.invoices(change.whmcs_client_id)
        if each.data["status"] == "Unpaid"
        and (each.data["date"] or "") >= since
        and any(item["type"] == UPGRADE_LINE for item in each.data["items"])
    ]
    taken = await ctx.pool.fetch(
        "SELECT invoice_id FROM portal.plan_changes WHERE invoice_id = ANY($1::text[]) AND change_id <> $2",
        candidates,
        change.change_id,
    )
    remaining = set(candidates) - {row["invoice_id"] for row in taken}
    return remaining.pop() if len(remaining) == 1 else None


async def read_back(ctx: Context, change: PlanChange, write: Pending | None = None) -> int | None:
    """Submit the change itself, and the service and invoice as WHMCS has them now. If these cannot be read, queue a
    refetch. `write` is pending until they show."""
    read_at = now()
    zone = ZoneInfo(ctx.settings.whmcs_time_zone)
    upgrade = records.upgrade(
        change.subscription_id,
        change.whmcs_client_id,
        {
            "product_id": change.product_id,
            "product_name": change.product_name,
            "order_id": change.whmcs_order_id,
            "invoice_id": change.invoice_id,
            "date": change.created_at.astimezone(zone).date().isoformat(),
        },
    )
    changes = [records.change(upgrade, origin="command", read_at=read_at)]
    if change.invoice_id:
        line = records.invoice_upgrade(change.invoice_id, "", change.subscription_id, change.whmcs_client_id)
        changes.append(records.change(line, origin="command", read_at=read_at))
    try:
        changes.append(
            records.change(await ctx.whmcs.service(change.subscription_id), origin="command", read_at=read_at)
        )
        if change.invoice_id:
            invoice = await ctx.whmcs.invoice(change.invoice_id)
            changes.append(records.change(invoice, origin="command", read_at=read_at))
    except UpstreamError as error:
        log.warning("plan_change_not_read_back", subscription_id=change.subscription_id, error=str(error))
        reason = f"plan:{change.change_id}:{read_at.timestamp()}"
        changes.append(whmcs_hint("service", change.subscription_id, reason))
        if change.invoice_id:
            changes.append(whmcs_hint("invoice", change.invoice_id, reason))
    return await ctx.inbox.submit(changes, pending=[write] if write else [])
