"""Changes of a running service by members of staff. Each reads first, so that it may be repeated, and is audited.

Only one system may write to a service's provider. The portal created the line or account, so it calls Freebit or WHM
itself, and then records the service's state in WHMCS.

Reads: read_model.catalog. Reads and writes: portal.plan_changes, Freebit line, WHM account, WHMCS service.
"""

from datetime import datetime
from uuid import UUID

from app.audit import Operator, audit
from app.commands.execution.context import Context, StaffCommand
from app.commands.subscriptions.apply_plan import TOKYO, provide
from app.commands.subscriptions.confirmed_write import write_and_confirm
from app.commands.subscriptions.plan_changes import journal
from app.commands.subscriptions.plan_changes.journal import PlanChange
from app.commands.subscriptions.provider_accounts import hosting_account_if_any, line_of
from app.commands.subscriptions.service import Service, find_any, refuse_unless
from app.commands.subscriptions.service_lock import lock_service
from app.commands.subscriptions.staff_view import ServiceView, of_kind, record_and_view
from app.errors import Conflict
from app.integrations.whmcs import services as whmcs_services
from app.readmodels.services import PLAN

_PLAN_CODE = f"""
SELECT facts ->> 'sim_plan_code' FROM read_model.catalog
WHERE category = $1 AND whmcs_product_id = $2 AND item_class = '{PLAN}'
"""


async def terminate(ctx: Context, operator: Operator, subscription_id: str, reason: str) -> ServiceView:
    """Terminate a service irrevocably: a line loses its number, a hosting account its content. Bills are unchanged.

    Raises:
        Conflict: `not_provided_yet`, `subscription_busy`.
    """
    async with lock_service(ctx, subscription_id):
        service = await find_any(ctx, subscription_id, live=True)
        if service.provided_as == "hosting":
            await _remove_account(ctx, service)
        if service.provided_as == "sim":
            await _end_line(ctx, service)
        if service.status not in (whmcs_services.TERMINATED, whmcs_services.CANCELLED):
            await whmcs_services.set_status(ctx.whmcs, subscription_id, whmcs_services.TERMINATED)
        return await record_and_view(ctx, operator, "service.terminate", service, reason=reason)


async def sync_plan(ctx: Context, operator: Operator, subscription_id: str) -> ServiceView:
    """Apply the plan that WHMCS bills at the provider.

    Raises:
        Conflict: `plan_unknown`, `subscription_not_active`, `not_provided_yet`, `subscription_busy`.
    """
    async with lock_service(ctx, subscription_id):
        service = await find_any(ctx, subscription_id, live=True)
        refuse_unless(service, "active", "suspended")
        code = await ctx.pool.fetchval(_PLAN_CODE, service.provided_as, service.product_id)
        if service.provided_as == "sim" and not code:
            raise Conflict("The catalog has no network plan for what WHMCS bills here.", code="plan_unknown")
        await provide(ctx, service, code or "")
        return await record_and_view(ctx, operator, "service.sync_plan", service, plan=service.name)


async def reissue(ctx: Context, operator: Operator, subscription_id: str, eid: str) -> ServiceView:
    """Reissue an eSIM's profile for another phone, identified by its EID. The line is out of service until then.

    Raises:
        Conflict: `service_kind_wrong`, `subscription_not_active`, `not_provided_yet`, `not_an_esim`,
            `subscription_busy`.
    """
    async with lock_service(ctx, subscription_id):
        service = await of_kind(ctx, subscription_id, "sim")
        refuse_unless(service, "active")
        number = await line_of(ctx, service)
        line = await ctx.freebit.detail(number)
        if line is None:
            raise Conflict("Freebit does not know this line.", code="not_provided_yet")
        if not line.eid:
            raise Conflict("This line is on a card and not on an eSIM.", code="not_an_esim")
        if line.eid != eid:

            async def is_reissued() -> bool:
                found = await ctx.freebit.detail(number)
                return found is not None and found.eid == eid

            await write_and_confirm(lambda: ctx.freebit.reissue_esim(line, eid), is_reissued)
        return await record_and_view(ctx, operator, "service.reissue", service, eid=f"…{eid[-4:]}")


async def retry(ctx: Context, operator: Operator, change_id: UUID) -> PlanChange:
    """Let the worker retry a failed change of plan.

    Raises:
        NotFound: `no_plan_change`.
        Conflict: `plan_change_not_failed`.
    """
    change = await journal.retry(ctx.pool, change_id)
    await audit(ctx.pool, operator, "plan_change.retry", [str(change_id)])
    return change


async def _remove_account(ctx: Context, service: Service) -> None:
    account = await hosting_account_if_any(ctx, service)
    if account is not None:

        async def is_gone() -> bool:
            return await hosting_account_if_any(ctx, service) is None

        await write_and_confirm(lambda: ctx.whm.remove_account(account.username), is_gone)


async def _end_line(ctx: Context, service: Service) -> None:
    number = await line_of(ctx, service)
    line = await ctx.freebit.detail(number)
    if line is not None and line.state != "cancelled":
        # Freebit treats two requests for one day as one, and decides when the line ends.
        await ctx.freebit.cancel_line(number, datetime.now(TOKYO).date())


COMMANDS = (
    StaffCommand(terminate, "service.terminate", writes=("freebit", "whm", "whmcs"), away="refuse"),
    StaffCommand(sync_plan, "service.sync_plan", writes=("freebit", "whm", "whmcs"), away="refuse"),
    StaffCommand(reissue, "service.reissue", writes=("freebit", "whm", "whmcs"), away="refuse"),
    StaffCommand(retry, "plan_change.retry", writes=("freebit", "whm", "whmcs"), away="refuse"),
)
