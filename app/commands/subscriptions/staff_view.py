"""A service as staff see it, and how what they did to it comes to be seen.

Reads: read_model.subscriptions, portal.plan_changes, scheduled_changes, WHMCS service. Writes: ingest.inbox,
portal.audit.
"""

from uuid import UUID

from msgspec import Struct

from app.audit import Operator, audit
from app.clock import now
from app.commands.execution.context import Context
from app.commands.subscriptions.plan_changes import journal, scheduled_lists
from app.commands.subscriptions.plan_changes.journal import PlanChange
from app.commands.subscriptions.plan_changes.scheduled import ScheduledPlanChange
from app.commands.subscriptions.service import Service, anybodys, as_read, noted
from app.errors import Conflict
from app.integrations.whmcs import records


class ServiceView(Struct, frozen=True, kw_only=True):
    """A service, whose it is, every change of plan, and every one for a day to come. `status` is WHMCS's word."""

    subscription_id: str
    account_id: UUID
    whmcs_client_id: str
    category: str
    name: str
    domain: str
    status: str
    plan_changes: list[PlanChange]
    scheduled_changes: list[ScheduledPlanChange]


async def story(ctx: Context, subscription_id: str) -> ServiceView:
    """A service of anybody; no upstream is asked.

    Raises:
        NotFound: `subscription_not_found`.
    """
    return await _story(ctx, await noted(ctx, subscription_id))


async def of_kind(ctx: Context, subscription_id: str, category: str) -> Service:
    """A service of this category as WHMCS has it now.

    Raises:
        NotFound: `subscription_not_found`.
        Conflict: `service_kind_wrong`.
    """
    service = await anybodys(ctx, subscription_id)
    if service.category != category:
        raise Conflict(f"That is possible for {category} alone; this is {service.category}.", code="service_kind_wrong")
    return service


async def done(ctx: Context, operator: Operator, action: str, service: Service, **detail: str) -> ServiceView:
    """Audited, and the service as WHMCS has it after that; the read model follows."""
    await audit(ctx.pool, operator, action, [service.subscription_id], **detail)
    read_at = now()
    record = await ctx.whmcs.service(service.subscription_id)
    submission = await ctx.inbox.submit([records.change(record, origin="command", read_at=read_at)])
    if submission is not None:
        await ctx.inbox.settled(submission, ctx.settings.settle_wait_seconds)
    return await _story(ctx, as_read(service, record))


async def _story(ctx: Context, service: Service) -> ServiceView:
    same = ("subscription_id", "account_id", "whmcs_client_id", "category", "name", "domain", "status")
    fields = {name: getattr(service, name) for name in same}
    return ServiceView(
        **fields,
        plan_changes=await journal.of_service(ctx.pool, service.subscription_id),
        scheduled_changes=await scheduled_lists.of_service(ctx.pool, service.subscription_id),
    )
