"""A service as staff see it, also right after they changed it.

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
from app.commands.subscriptions.service import Service, as_read, find_any
from app.errors import Conflict
from app.integrations.whmcs import records


class ServiceView(Struct, frozen=True, kw_only=True):
    """A service with its owner, its changes of plan and its scheduled changes. `status` is WHMCS's word."""

    subscription_id: str
    account_id: UUID
    whmcs_client_id: str
    category: str
    name: str
    domain: str
    status: str
    """The status, in WHMCS's words."""
    plan_changes: list[PlanChange]
    """Changes of its plan, the latest first."""
    scheduled_changes: list[ScheduledPlanChange]
    """Future changes of its plan."""


async def view_of(ctx: Context, subscription_id: str) -> ServiceView:
    """Return a service of any account from the read model; no upstream is called.

    Raises:
        NotFound: `subscription_not_found`.
    """
    return await _view(ctx, await find_any(ctx, subscription_id))


async def of_kind(ctx: Context, subscription_id: str, category: str) -> Service:
    """Return a service as WHMCS has it now, if it is of this category.

    Raises:
        NotFound: `subscription_not_found`.
        Conflict: `service_kind_wrong`.
    """
    service = await find_any(ctx, subscription_id, live=True)
    if service.provided_as != category:
        kind = service.provided_as or "an add-on"
        raise Conflict(f"This is possible only for {category}; this service is {kind}.", code="service_kind_wrong")
    return service


async def record_and_view(
    ctx: Context, operator: Operator, action: str, service: Service, **detail: str
) -> ServiceView:
    """Record the action in the audit log, submit the service as WHMCS has it now, and return it."""
    await audit(ctx.pool, operator, action, [service.subscription_id], **detail)
    read_at = now()
    record = await ctx.whmcs.service(service.subscription_id)
    submission = await ctx.inbox.submit([records.change(record, origin="command", read_at=read_at)])
    if submission is not None:
        await ctx.inbox.settled(submission, ctx.settings.settle_wait_seconds)
    return await _view(ctx, as_read(service, record))


async def _view(ctx: Context, service: Service) -> ServiceView:
    same = ("subscription_id", "account_id", "whmcs_client_id", "category", "name", "domain", "status")
    fields = {name: getattr(service, name) for name in same}
    return ServiceView(
        **fields,
        plan_changes=await journal.of_service(ctx.pool, service.subscription_id),
        scheduled_changes=await scheduled_lists.of_service(ctx.pool, service.subscription_id),
    )
