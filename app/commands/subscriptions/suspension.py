"""Suspend and unsuspend web hosting, on the server and then in WHMCS.

Freebit has no suspension of lines, so only hosting can be suspended here.

Reads and writes: WHM account, WHMCS service.
"""

from app.audit import Operator
from app.commands.execution.context import Context, StaffCommand
from app.commands.subscriptions.confirmed_write import write_and_confirm
from app.commands.subscriptions.provider_accounts import hosting_account
from app.commands.subscriptions.service import Service, refuse_unless
from app.commands.subscriptions.service_lock import lock_service
from app.commands.subscriptions.staff_view import ServiceView, of_kind, record_and_view
from app.integrations.whm.suspensions import marked
from app.integrations.whmcs import services as whmcs_services


async def suspend(ctx: Context, operator: Operator, subscription_id: str, reason: str) -> ServiceView:
    """Suspend a hosting account: its site and mail stop, nothing is lost.

    Raises:
        Conflict: `service_kind_wrong`, `subscription_not_active`, `not_provided_yet`, `subscription_busy`.
    """
    async with lock_service(ctx, subscription_id):
        service = await of_kind(ctx, subscription_id, "hosting")
        refuse_unless(service, "active", "suspended")
        account = await hosting_account(ctx, service)
        if not account.suspended:
            name = account.username
            shown = marked(subscription_id, reason)  # so that the portal may lift it again
            await write_and_confirm(lambda: ctx.whm.suspend(name, shown), lambda: _is_suspended(ctx, service))
        await whmcs_services.set_status(ctx.whmcs, subscription_id, whmcs_services.SUSPENDED, reason)
        return await record_and_view(ctx, operator, "service.suspend", service, reason=reason)


async def unsuspend(ctx: Context, operator: Operator, subscription_id: str) -> ServiceView:
    """Reactivate a suspended hosting account.

    Raises:
        Conflict: `service_kind_wrong`, `subscription_not_active`, `not_provided_yet`, `suspension_locked`,
            `subscription_busy`.
    """
    async with lock_service(ctx, subscription_id):
        service = await of_kind(ctx, subscription_id, "hosting")
        refuse_unless(service, "active", "suspended")
        account = await hosting_account(ctx, service)
        if account.suspended:
            name = account.username
            await write_and_confirm(lambda: ctx.whm.unsuspend(name), lambda: _is_not_suspended(ctx, service))
        await whmcs_services.set_status(ctx.whmcs, subscription_id, whmcs_services.ACTIVE)
        return await record_and_view(ctx, operator, "service.unsuspend", service)


async def _is_suspended(ctx: Context, service: Service) -> bool:
    return (await hosting_account(ctx, service)).suspended


async def _is_not_suspended(ctx: Context, service: Service) -> bool:
    return not await _is_suspended(ctx, service)


COMMANDS = (
    StaffCommand(suspend, "service.suspend", writes=("whm", "whmcs"), away="refuse"),
    StaffCommand(unsuspend, "service.unsuspend", writes=("whm", "whmcs"), away="refuse"),
)
